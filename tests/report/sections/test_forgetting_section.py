"""The rows and figures of the section on forgetting."""

from __future__ import annotations

from domainkit.report.sections.forgetting_section import bits, group_rows
from domainkit.results.schema import GeneralText, Results


def test_all_questions_come_first_then_each_source(full: Results) -> None:
    assert full.forgetting is not None
    rows = group_rows(full.forgetting)
    assert rows[0] == ("all 350", "60.0 (55.0 to 65.0)", "57.0 (52.0 to 62.0)", "−3.0 (−5.5 to −0.5)")
    assert rows[1] == ("ARC-Easy", "60.0", "57.0", "−3.0")


def test_bits_carry_their_sign_and_an_interval_where_there_is_one() -> None:
    assert bits(GeneralText(base=1.1, tuned=1.15, difference=0.05, low=-0.02, high=0.08)) == "+0.050 (−0.020 to +0.080)"
    assert bits(GeneralText(base=1.1, tuned=1.05, difference=-0.05)) == "−0.050"
