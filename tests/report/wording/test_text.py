from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.wording.text import columns, one_line, shorten, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a⟨U+001B⟩[31mb"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("bell\x07 del\x7f nel\x85", "bell⟨U+0007⟩ del⟨U+007F⟩ nel⟨U+0085⟩"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("lone\rreturn", "lone⟨U+000D⟩return"),
        ("hidden\U000e0041", "hidden⟨U+E0041⟩"),
        ("می\u200cخواهم 👩\u200d🔬", "می\u200cخواهم 👩\u200d🔬"),
    ],
)
def test_what_cannot_be_seen_is_spelt_out_and_writing_is_kept(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_no_control_or_bidirectional_character_is_left(text: str) -> None:
    left = {c for c in visible(text) if unicodedata.category(c) in ("Cc", "Cs") or c in "\u2028\u2029"}
    assert left <= {"\t", "\n"}
    assert not any(
        unicodedata.bidirectional(c) in ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
        for c in visible(text)
    )
    assert visible(visible(text)) == visible(text)


@given(st.text(), st.integers(2, 40))
def test_a_shortened_text_is_one_line_that_fits(text: str, width: int) -> None:
    cut = shorten(text, width)
    assert columns(cut) <= width
    assert "\n" not in cut
    assert cut == one_line(text) or cut.endswith("…")


def test_wide_characters_count_two_columns() -> None:
    assert shorten("漢字漢字", 5) == "漢字…"
    assert columns("e\u0301") == 1
