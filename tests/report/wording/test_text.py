from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.wording.text import columns, one_line, shorten


@given(st.text(), st.integers(2, 40))
def test_a_shortened_text_is_one_line_that_fits(text: str, width: int) -> None:
    cut = shorten(text, width)
    assert columns(cut) <= width
    assert "\n" not in cut
    assert cut == one_line(text) or cut.endswith("…")


def test_wide_characters_count_two_columns() -> None:
    assert shorten("漢字漢字", 5) == "漢字…"
    assert columns("e\u0301") == 1
