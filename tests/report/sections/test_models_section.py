"""The table of models: its words, and what is said where something is not known."""

from __future__ import annotations

from domainkit.report.sections.models_section import HEADS, _row, dates_text, unreadable_text, versions_text
from domainkit.results.schema import Estimate, ModelFacts


def facts(**more: object) -> ModelFacts:
    return ModelFacts.model_validate({"name": "gpt", "spec": "openai:gpt-5-mini", "local": False, **more})


def test_what_is_not_known_is_a_dash() -> None:
    row = _row(facts())
    assert row == ["gpt", "openai:gpt-5-mini", "elsewhere", "—", "—", "any text is an answer", "—"]
    assert len(row) == len(HEADS)


def test_versions_are_few_and_dates_a_span() -> None:
    many = facts(versions=("v1", "v2", "v3", "v4", "v5"), asked_from="2026-03-01", asked_to="2026-03-04")
    assert versions_text(many) == "v1, v2, v3 and 2 more"
    assert dates_text(many) == "2026-03-01 to 2026-03-04"
    assert dates_text(facts(asked_from="2026-03-01", asked_to="2026-03-01")) == "2026-03-01"


def test_unreadable_answers_and_errors_are_two_things() -> None:
    share = Estimate(value=0.25, low=0.1, high=0.5, n=20)
    assert unreadable_text(facts(unreadable=share, failures=1)) == "25.0 (10.0 to 50.0); 1 error"
    assert unreadable_text(facts(unreadable=Estimate(value=0.0, low=0.0, high=0.1, n=20))) == "0.0"
    assert unreadable_text(facts(failures=40)) == "—; 40 errors"
