"""Sequences join and leave one running batch; long prompts and other adapters do not hold it up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from domainkit.inference.engine.batching import Chunk
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
