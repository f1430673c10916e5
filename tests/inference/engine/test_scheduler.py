"""Sequences join and leave one running batch; long prompts and other adapters do not hold it up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from domainkit.inference.engine import scheduler as scheduler_module
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import KVCache
from domainkit.inference.engine.model_runner import Runner
from domainkit.inference.engine.sequences.text import TextSequence
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask


@pytest.fixture
def engine(tiny_base: str) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    backend.complete([ask("warm", max_tokens=1)])
    yield backend
    backend.close()


@pytest.fixture
def batches(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> list[list[Chunk]]:
    """The batches that the runner reads."""
    runner, batches = engine.engine().runner, []
    forward = runner.forward

    def recorded(chunks: list[Chunk]) -> object:
        batches.append(list(chunks))
        return forward(chunks)

    monkeypatch.setattr(runner, "forward", recorded)
    return batches


def test_a_sequence_joins_a_running_batch_and_leaves_it(engine: LocalBackend, batches: list[list[Chunk]]) -> None:
    stream = engine.stream(ask("long", regex="[a-z]{60}", max_tokens=60))
    next(stream)
    second = engine.complete([ask("short", max_tokens=4)])[0]
    list(stream)
    sizes = [len(batch) for batch in batches]
    assert sizes[0] == sizes[-1] == 1
    assert max(sizes) == 2
    batches.clear()
    assert engine.complete([ask("short", max_tokens=4)])[0].text == second.text


def test_the_cache_keeps_within_the_memory_that_admission_counts(
    engine: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether prompts come together or one by one, and whatever part of them is shared."""
    scheduler: Any = engine.engine()
    cache = scheduler.runner.cache
    limit = 9 * 220 * scheduler._bytes_per_token
    monkeypatch.setattr(scheduler, "_memory", 2 * limit)
    monkeypatch.setattr(cache, "max_bytes", limit)
    resize, taken = KVCache._resize, []

    def recorded(self: KVCache, n_slots: int, n_columns: int) -> None:
        resize(self, n_slots, n_columns)
        if self is cache:
            taken.append(n_slots * n_columns * scheduler._bytes_per_token)

    monkeypatch.setattr(KVCache, "_resize", recorded)
    engine.complete([ask(f"{i} different beginnings " * 8, max_tokens=6 + i) for i in range(16)])
    engine.complete([ask("the same beginning " * 8 + str(i), max_tokens=6) for i in range(16)])
    assert taken
    assert max(taken) <= 1.2 * limit, "padding can add a few columns"


def test_reading_is_charged_to_the_sequence_that_is_read(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that computes while the host goes on: each pass takes a second, when somebody waits for it."""
    scheduler = engine.engine()
    clock = SimpleNamespace(now=0.0, pending=0)

    def flush(*args: object, **options: object) -> None:
        clock.now, clock.pending = clock.now + clock.pending, 0

    execute, decide = scheduler.executor.execute, scheduler_module.next_tokens

    def launched(runner: Runner, chunks: list[Chunk]) -> object:
        clock.pending += 1
        return execute(runner, chunks)

    def decided(*args: Any, **options: Any) -> object:
        flush()
        return decide(*args, **options)

    monkeypatch.setattr(scheduler, "prefix_sharing", None)
    monkeypatch.setattr(scheduler.executor, "execute", launched)
    monkeypatch.setattr(scheduler.executor, "wait", flush)
    monkeypatch.setattr(scheduler_module, "next_tokens", decided)
    monkeypatch.setattr(scheduler_module, "MAX_PROMPT_CHUNK", 64)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    long = ask("a long question " * 20, max_tokens=1)
    short, read = engine.complete([ask("short", regex="[a-z]{8}", max_tokens=8), long])
    assert short.decode_seconds <= 7, "seven passes of its own, some of them shared"
    assert read.prefill_seconds > read.prompt_tokens // 64 - 1


def test_a_long_prompt_is_read_in_parts_between_the_tokens_of_others(
    engine: LocalBackend, batches: list[list[Chunk]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainkit.inference.engine.scheduler.MAX_PROMPT_CHUNK", 64)
    requests = [ask("short", regex="[a-z]{8}", max_tokens=8), ask("a long question " * 20, max_tokens=2)]
    alone = [engine.complete([request])[0].text for request in requests]
    monkeypatch.setattr(engine.engine(), "prefix_sharing", None)
    batches.clear()
    assert [answer.text for answer in engine.complete(requests)] == alone
    lengths = [max(len(chunk.tokens) for chunk in batch) for batch in batches]
    assert max(lengths) == 64
    parts = [i for i, length in enumerate(lengths) if length == 64]
    assert all(b - a > 1 for a, b in pairwise(parts)), "the short answer has a token in between"


def test_an_adapter_has_adjacent_slots(
    engine: LocalBackend, batches: list[list[Chunk]], adapters: dict[str, str]
) -> None:
    requests = [ask(f"question {i}", adapter=adapters.get(name)) for i in range(3) for name in ("red", "", "blue")]
    engine.complete(requests)
    largest = max(batches, key=len)
    assert len(largest) == 9
    names = [chunk.adapter.name for chunk in largest]
    assert names == sorted(names)


def test_adapters_that_cannot_be_mixed_wait_for_their_turn(
    engine: LocalBackend, batches: list[list[Chunk]], adapters: dict[str, str]
) -> None:
    requests = [ask(f"{name} {i}", adapter=adapters.get(name)) for i in range(2) for name in ("red", "ia3", "", "dora")]
    alone = [engine.complete([request])[0].text for request in requests]
    batches.clear()
    assert [answer.text for answer in engine.complete(requests)] == alone
    assert all(len({chunk.adapter.batch_key for chunk in batch}) == 1 for batch in batches)


def test_finished_conversations_are_kept_for_their_next_turn(engine: LocalBackend, batches: list[list[Chunk]]) -> None:
    text = "a question that is long enough to be kept for the next turn of the conversation"
    engine.complete([ask(text, max_tokens=2)])
    batches.clear()
    engine.complete([ask(text + ", and more", max_tokens=1)])
    assert sum(len(chunk.tokens) for batch in batches for chunk in batch) < 40
    assert all(chunk.start > 60 for batch in batches for chunk in batch)


def test_rows_sampled_together_draw_alone_as_in_company(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: from noise of their own seed and place, held to a constraint and with log-probabilities too."""
    draw = TextSequence.draw
    monkeypatch.setattr(engine.engine(), "_guesses", False)  # made on a CPU only
    monkeypatch.setattr(TextSequence, "draw", lambda self, *, sampled: draw(self, sampled=True))
    options: list[dict[str, Any]] = [
        {},
        {"top_p": 0.8},
        {"regex": "[a-z]{6}"},
        {"logprobs": True},
        {"temperature": 0.3},
    ]
    requests = [
        ask(f"q{i}", **{"temperature": 1.5, "seed": i, "max_tokens": 8, **o}) for i, o in enumerate(options * 2)
    ]
    together = engine.complete(requests)
    alone = [engine.complete([request])[0] for request in requests]
    assert [a.text for a in together] == [a.text for a in alone]
    assert len({a.text for a in alone}) > 5
    assert all(len(a.logprobs) == a.completion_tokens for a in alone if a.logprobs)
    fresh = [engine.complete([ask("q0", temperature=2.0, max_tokens=8)])[0].text for _ in range(3)]
    assert len(set(fresh)) > 1, "no seed is a fresh seed"
