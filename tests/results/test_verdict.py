"""The verdict without leaked questions is written where there is one, and older files load without it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domainkit.results.verdict import Leak, Verdict, WithoutLeaks


def test_a_verdict_without_leaks_is_written_only_where_there_is_one() -> None:
    plain = Verdict(answer="prompt", choice="few-shot", headline="")
    assert "without_leaks" not in plain.model_dump()
    assert "without_leaks" not in plain.model_dump_json()
    other = plain.model_copy(update={"without_leaks": WithoutLeaks(answer="retrieve", choice="rag", changed=True)})
    assert Verdict.model_validate_json(other.model_dump_json()) == other


def test_an_older_verdict_loads() -> None:
    assert Verdict.model_validate({"answer": "prompt", "choice": "x", "headline": "y"}).without_leaks is None


def test_an_unknown_level_of_leakage_is_refused() -> None:
    with pytest.raises(ValidationError, match="level"):
        Leak.model_validate({"level": "smell", "count": 1})
