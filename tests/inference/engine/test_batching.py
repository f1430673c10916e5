"""Batches: every chunk in exactly one, within the budget, with little padding, in slot order."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.inference.engine import batching
from domainkit.inference.engine.batching import MAX_PADDING, Chunk, make_batches
from domainkit.inference.engine.kv_cache import CacheSlot


def chunk(index: int, length: int, logits_wanted: int = 1) -> Chunk:
    return Chunk(CacheSlot(length, index), [0] * length, 0, logits_wanted)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from("ab")), max_size=30), st.integers(20, 200))
def test_every_chunk_is_in_one_batch_within_the_limits(rows: list[tuple[int, str]], budget: int) -> None:
    chunks = [chunk(i, length) for i, (length, _) in enumerate(rows)]
    keys = {c: key for c, (_, key) in zip(chunks, rows, strict=True)}
    batches = list(make_batches(chunks, keys.__getitem__, budget, "cpu"))
    assert sorted(c.slot.index for batch in batches for c in batch) == list(range(len(rows)))
    for batch in batches:
        longest = max(len(c.tokens) for c in batch)
        assert len({keys[c] for c in batch}) == 1
        assert len(batch) == 1 or longest * len(batch) <= budget
        assert sum(longest - len(c.tokens) for c in batch) <= MAX_PADDING["cpu"]
        assert [c.slot.index for c in batch] == sorted(c.slot.index for c in batch)


def test_wanted_logits_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_LOGITS_ROWS", 10)
    batches = make_batches([chunk(i, 5, 4) for i in range(5)], lambda c: None, 4096, "cpu")
    assert [len(batch) for batch in batches] == [2, 2, 1]


def test_a_chunk_is_immutable_and_its_first_part_is_another_chunk() -> None:
    whole = Chunk(CacheSlot(5, 0), [1, 2, 3, 4, 5], 7, 3)
    part = whole.first(2)
    assert (part.slot, part.tokens, part.start, part.logits_wanted) == (whole.slot, [1, 2], 7, 1)
    assert whole.tokens == [1, 2, 3, 4, 5]
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.start = 0  # type: ignore[misc]
