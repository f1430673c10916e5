"""The measurement of what the batch does to texts."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.engine import batch_invariance
from domainkit.inference.local import LocalBackend


def plan(base: str) -> dict[str, Any]:
    asked = [{"messages": [["user", f"question {i} " + "long " * (i % 5)]], "adapter": None} for i in range(6)]
    names = ("zero-shot", "eight examples", "own: eight examples, kept")
    return {"base": base, "cases": dict.fromkeys(names, asked), "answers": 9, "new_tokens": 6}


def test_texts_alone_and_in_batches_are_compared(tiny_base: str) -> None:
    found = batch_invariance.measure(plan(tiny_base))
    assert found["answers"] == 9
    assert found["differing"] == 0
    assert found["share_differing"] == 0
    assert found["margin_at_first_difference"] is None
    assert 0 < found["tokens"] <= 54
    assert found["drawn"] == 4
    assert 0 <= found["share_of_tokens_recomputed"] < 0.2
    assert 0 <= found["logits_moved_by_batch"]["median"] <= found["logits_moved_by_batch"]["most"] < 1e-2
    assert found["smallest_margin_of_all"] >= 0


def test_a_difference_is_counted_with_its_margin(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = batch_invariance.answer

    def with_a_difference(backend: LocalBackend, requests: Any) -> list[list[int]]:
        """The batch changes the third token of the first text."""
        rows = plain(backend, requests)
        return rows if len(rows) == 1 else [[*rows[0][:2], rows[0][2] + 1, *rows[0][3:]], *rows[1:]]

    monkeypatch.setattr(batch_invariance, "answer", with_a_difference)
    found = batch_invariance.measure(plan(tiny_base))
    assert found["differing"] > 0
    assert found["margin_at_first_difference"]["smallest"] >= found["smallest_margin_of_all"]


def test_the_first_difference_of_texts_of_different_length() -> None:
    assert batch_invariance.first_difference([1, 2, 3], [1, 9, 3]) == 1
    assert batch_invariance.first_difference([1, 2, 3], [1, 2]) == 2
    assert batch_invariance.first_difference([1, 2], [1, 2, 3]) == 1
