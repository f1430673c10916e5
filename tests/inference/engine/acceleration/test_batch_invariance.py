"""Texts do not depend on the batch: logits are moved at random, as rounding might, and no text may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from domainkit.inference.engine.acceleration import Acceleration
from domainkit.inference.engine.scheduler import Scheduler
from domainkit.inference.engine.sequences.sampling import NEAR_TIE, logit_range
from domainkit.inference.local import LocalBackend
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import ask

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CHOICES = ("alpha", "alpine", "beta", "bet", "gamma", "alphabet")


@pytest.fixture
def engine(tiny_base: str) -> Iterator[LocalBackend]:
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    yield backend
    backend.close()


def requests(adapters: dict[str, str]) -> list[Any]:
    ways: list[dict[str, Any]] = [
        {},
        {"temperature": 0.7, "top_p": 0.9},
        {"temperature": 1.5, "adapter": adapters["red"]},
        {"adapter": adapters["blue"], "logprobs": True},
        {"json_schema": SCHEMA, "temperature": 1.0, "max_tokens": 40},
        {"adapter": adapters["dora"]},
        {"choices": CHOICES},
        {"choices": CHOICES, "temperature": 1.0, "adapter": adapters["red"]},
    ]
    return [ask(f"question {i}", **{"max_tokens": 30, "seed": i, **way}) for i in range(5) for way in ways]


def round_at_random(runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every logit move, in each pass by other amounts, up to half of what counts as rounding."""
    forward, random = runner.forward, torch.Generator().manual_seed(0)

    def rounded(chunks: Any) -> torch.Tensor:
        logits = forward(chunks)
        moved = torch.rand(logits.shape, generator=random) - 0.5
        return logits + moved * (NEAR_TIE * logit_range(logits)[..., None]) * 0.99

    monkeypatch.setattr(runner, "forward", rounded)


def texts(engine: LocalBackend, adapters: dict[str, str]) -> list[Any]:
    engine.engine().prefixes.clear()
    return [(c.text, c.finish_reason, [t.token for t in c.logprobs]) for c in engine.complete(requests(adapters))]


def test_rounding_changes_no_text(
    engine: LocalBackend,
    adapters: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    take_for_near: Callable[[float], None],
) -> None:
    take_for_near(100 * NEAR_TIE)  # so that a few thousand tokens show it
    monkeypatch.setitem(globals(), "NEAR_TIE", 100 * NEAR_TIE)
    wanted = texts(engine, adapters)
    invariance: Any = engine.engine().batch_invariance
    before = invariance.n_recomputed
    assert before
    round_at_random(engine.engine().runner, monkeypatch)
    assert texts(engine, adapters) == wanted
    assert invariance.n_recomputed > before
    engine.engine().batch_invariance = None
    assert texts(engine, adapters) != wanted


def test_recomputed_logits_have_the_same_bits_in_any_batch(
    engine: LocalBackend, adapters: dict[str, str], take_for_near: Callable[[float], None]
) -> None:
    take_for_near(10)
    scheduler = engine.engine()
    seen: dict[tuple[Any, ...], list[torch.Tensor]] = {}
    invariance: Any = scheduler.batch_invariance
    recompute_alone = invariance.recompute_alone

    def watched(sequence: Any, tokens: list[int], logits_wanted: int) -> torch.Tensor:
        logits = recompute_alone(sequence, tokens, logits_wanted)
        seen.setdefault((sequence.adapter_folder, *tokens), []).append(logits.clone())
        return logits

    invariance.recompute_alone = watched
    texts = [f"q{i} " + "word " * (i % 3) * 4 for i in range(6)]
    asked = [ask(text, adapter=a, max_tokens=4) for text in texts for a in (None, adapters["red"])]
    for one in asked:
        scheduler.prefixes.clear()
        engine.complete([one])
    scheduler.prefixes.clear()
    engine.complete(asked)
    assert len(seen) > 30
    assert all(torch.equal(first, other) for first, *others in seen.values() for other in others)
    assert sum(len(found) > 1 for found in seen.values()) > 30


def test_a_long_sequence_is_recomputed_in_blocks(
    engine: LocalBackend, monkeypatch: pytest.MonkeyPatch, take_for_near: Callable[[float], None]
) -> None:
    monkeypatch.setattr("domainkit.inference.engine.acceleration.batch_invariance.BLOCK", 16)
    invariance: Any = engine.engine().batch_invariance
    take_for_near(10)
    [found] = engine.complete([ask("a question that is longer than that, " * 3, max_tokens=5)])
    assert invariance.n_recomputed == found.completion_tokens + (found.finish_reason == "stop")
    take_for_near(0.0)
    assert engine.complete([ask("a question that is longer than that, " * 3, max_tokens=5)])[0].text == found.text


def test_blocks_that_were_read_alone_are_reused_with_the_same_bits(
    engine: LocalBackend,
    adapters: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    take_for_near: Callable[[float], None],
) -> None:
    for module in ("acceleration.batch_invariance", "prefix_sharing"):
        monkeypatch.setattr(f"domainkit.inference.engine.{module}.BLOCK", 16)
    take_for_near(10)
    scheduler = engine.engine()
    invariance: Any = scheduler.batch_invariance
    recompute_alone, forward = invariance.recompute_alone, invariance._isolated.forward
    seen: dict[tuple[Any, ...], list[torch.Tensor]] = {}
    read = [0]
    forgetful = True

    def watched(sequence: Any, tokens: list[int], logits_wanted: int) -> torch.Tensor:
        if forgetful:
            scheduler.prefixes.clear()
        logits = recompute_alone(sequence, tokens, logits_wanted)
        seen.setdefault((sequence.adapter_folder, *tokens), []).append(logits.clone())
        return logits

    def counted(chunks: Any) -> torch.Tensor:
        read[0] += sum(len(chunk.tokens) for chunk in chunks)
        return forward(chunks)

    monkeypatch.setattr(invariance, "recompute_alone", watched)
    monkeypatch.setattr(invariance._isolated, "forward", counted)
    text = "a beginning that many have in common, longer than a few blocks; " * 2
    kinds = (None, adapters["red"], adapters["dora"])
    asked = [ask(f"{text}{i}", adapter=a, max_tokens=4) for i in range(5) for a in kinds]
    whole = engine.complete(asked)
    forgetting, forgetful, read[0] = read[0], False, 0
    for _ in range(2):  # the common prefix is computed in blocks; then it comes from the prefix cache
        assert [c.text for c in engine.complete(asked)] == [c.text for c in whole]
    assert read[0] < 0.8 * forgetting, "twice the same, from kept blocks, is less than once without"
    assert [c.text for c in (engine.complete([one])[0] for one in asked)] == [c.text for c in whole]
    assert all(len(found) == 4 for found in seen.values())
    assert all(torch.equal(first, other) for first, *others in seen.values() for other in others)


def test_without_memory_the_logits_of_the_batch_decide(
    engine: LocalBackend, monkeypatch: pytest.MonkeyPatch, take_for_near: Callable[[float], None]
) -> None:
    wanted = engine.complete([ask("x", max_tokens=6)])[0].text
    invariance: Any = engine.engine().batch_invariance
    take_for_near(10)

    def no_room(*given: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(invariance._isolated, "forward", no_room)
    assert engine.complete([ask("x", max_tokens=6)])[0].text == wanted
    assert not invariance.n_recomputed


def test_half_precision_is_not_recomputed(tiny_base: str) -> None:
    loaded = load_base(tiny_base, quantization="none")
    assert Scheduler(loaded, "").batch_invariance
    loaded.model.to(torch.bfloat16)
    assert Scheduler(loaded, "").batch_invariance is None


def test_switched_off_near_ties_are_left_to_rounding(
    tiny_base: str, take_for_near: Callable[[float], None], engine: LocalBackend
) -> None:
    off = LocalBackend(tiny_base, None, "none", "cpu", acceleration=Acceleration(batch_invariance=False))
    take_for_near(10)
    assert off.complete([ask("x", max_tokens=6)])[0].text == engine.complete([ask("x", max_tokens=6)])[0].text
    assert off.engine().batch_invariance is None
    off.close()
