"""fold: equal up to case, width, spaces and punctuation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus.fold import fold


@pytest.mark.parametrize(
    "a, b",
    [
        ("Card, lost?", "card  LOST"),
        ("ＡＢＣ", "abc"),
        ("straße", "STRASSE"),
        ("1.5", "1 5"),
        ("card_lost", "Card lost"),
    ],
)
def test_spellings_of_one_text_are_equal(a: str, b: str) -> None:
    assert fold(a) == fold(b)


def test_texts_without_words_are_not_all_alike() -> None:
    assert fold(" + ") == "+"
    assert fold("+") != fold("-")


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
