"""The quote stands in the document, and is neither a name nor half of it."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind

TEXT = "A locker costs £4 a week. " + "It has a key and a lamp. " * 30


@pytest.mark.parametrize(
    "quote, expected",
    [
        ("A locker costs £4 a week.", ""),
        ("A locker costs £5 a week.", "not in the document"),
        ("£4 a", "too short"),
        (TEXT.strip(), "too long"),
    ],
)
def test_the_quote_is_found_word_for_word(quote: str, expected: str) -> None:
    assert kind("quote", candidate("What does a locker cost?", quote=quote, text=TEXT)) == [expected]
