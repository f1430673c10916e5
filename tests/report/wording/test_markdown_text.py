"""No text leaves its cell or becomes markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.wording.markdown_text import bullets, escape, pairs, table


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a | b", r"a \| b"),
        ("`rm -rf`", r"\`rm -rf\`"),
        ("<b>bold</b> &amp;", r"&lt;b\>bold&lt;/b\> &amp;amp;"),
        ("two\nlines", "two lines"),
        ("- item", r"\- item"),
        ("1. first", r"1\. first"),
        ("[x](http://evil)", r"\[x\](http:\//evil)"),
        ("ping @someone", "ping @<!-- -->someone"),
        ("# head", r"\# head"),
        ("www.evil.example", r"www\.evil.example"),
        ("esc\x1b[0m", r"esc⟨U+001B⟩\[0m"),
    ],
)
def test_untrusted_text_is_literal(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text())
def test_escaped_text_stays_in_its_cell(text: str) -> None:
    escaped = escape(text)
    assert "\n" not in escaped
    plain = re.sub(r"\\[\\`*_\[\]|~#!$>]", "", escaped).replace("@<!-- -->", "")
    assert not set("`*_[]|<") & set(plain)


def test_a_table_has_its_numbers_flush_right_and_a_list_one_item_a_line() -> None:
    assert table(("name", "score"), [["a", "1"]]) == "| name | score |\n| --- | ---: |\n| a | 1 |"
    assert bullets(["one", "two"]) == "- one\n- two"
    assert pairs([("a|b", "x")]) == "- a\\|b: x"
