"""Which level matched what, and what could not be checked."""

from __future__ import annotations

from domainkit.report.sections.leakage_section import checked_sets, clean_sentence, matches, unchecked
from domainkit.results.schema import Results


def test_counted_levels_come_first_and_what_was_not_checked_is_said(rich: Results) -> None:
    found = matches(rich)
    assert [f.leak.level for f in found] == ["exact", "near"]
    assert found[0].pairs[0].question.endswith("→ " + next(i.target for i in rich.items if i.id == "q0003"))
    assert found[1].how.endswith("(≥ 0.9)")
    assert unchecked(rich) == [
        "The embedding level was not checked against the training rows: the MiniLM package is not installed."
    ]


def test_the_clean_verdict_is_a_field_and_absent_in_older_files(rich: Results, label_results: Results) -> None:
    assert clean_sentence(rich) == "Without the leaked questions the verdict stays the same."
    assert clean_sentence(label_results) == ""
    assert checked_sets(rich) == "the training rows and the retrieved documents"
