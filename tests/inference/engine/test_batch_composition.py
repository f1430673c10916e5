"""The measurement of what company does to texts."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import company
from domainkit.inference.local import LocalBackend


def plan(base: str) -> dict[str, Any]:
    asked = [{"messages": [["user", f"question {i} " + "long " * (i % 5)]], "adapter": None} for i in range(6)]
    names = ("zero-shot", "eight examples", "own: eight examples, kept")
    return {"base": base, "cases": dict.fromkeys(names, asked), "answers": 9, "new_tokens": 6}


def test_company_is_measured(tiny_base: str) -> None:
    found = company.measure(plan(tiny_base))
    assert found["answers"] == 9
    assert found["differing"] == 0
    assert found["share_differing"] == 0
    assert found["margin_at_first_difference"] is None
    assert 0 < found["tokens"] <= 54
    assert found["drawn"] == 4
    assert 0 <= found["share_of_tokens_settled"] < 0.2
    assert 0 <= found["logits_moved_by_company"]["median"] <= found["logits_moved_by_company"]["most"] < 1e-2
    assert found["smallest_margin_of_all"] >= 0


def test_a_difference_is_counted_with_its_margin(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = company.answer

    def swayed(backend: LocalBackend, requests: Any) -> list[list[int]]:
        """Company changes the third token of the first."""
        rows = plain(backend, requests)
        return rows if len(rows) == 1 else [[*rows[0][:2], rows[0][2] + 1, *rows[0][3:]], *rows[1:]]

    monkeypatch.setattr(company, "answer", swayed)
    found = company.measure(plan(tiny_base))
    assert found["differing"] > 0
    assert found["margin_at_first_difference"]["smallest"] >= found["smallest_margin_of_all"]


def test_the_first_difference_of_texts_of_different_length() -> None:
    assert company.first_difference([1, 2, 3], [1, 9, 3]) == 1
    assert company.first_difference([1, 2, 3], [1, 2]) == 2
    assert company.first_difference([1, 2], [1, 2, 3]) == 1
