"""Untrusted text for a terminal or a page."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a⟨U+001B⟩[31mb"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("zero\u200bwidth\u00ad\ufeff", "zero\u200bwidth\u00ad⟨U+FEFF⟩"),
        ("a\u00a0b \u200fא", "a\u00a0b \u200fא"),
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
