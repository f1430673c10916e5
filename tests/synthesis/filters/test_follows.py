"""An answer is made of the quote's words and numbers."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind

QUOTE = "Hester Quill’s first hive stood on 3½ slates; it cost £1,200 and weighed 14 kg in 2019."
NUMBER, WORDS = "a number is not in the quote", "its words are not in the quote"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("£1,200", ""),
        ("£1200", ""),
        ("Hester Quill", ""),
        ("14 kg", ""),
        ("It weighed 14 kg", ""),
        ("on slates", ""),
        ("£1,300", NUMBER),
        ("$1,200", NUMBER),
        ("41 kg", NUMBER),
        ("in 2019 and 2020", NUMBER),
        ("a coal shed", WORDS),
        ("Hester Quill and her brother Tom", WORDS),
        ("Yes", WORDS),
        (QUOTE, "the answer is the whole quote"),
        (QUOTE.rstrip(".").replace("’", "'"), "the answer is the whole quote"),
    ],
)
def test_numbers_always_and_words_nearly_all(answer: str, why: str) -> None:
    assert kind("follows", candidate("Which is it?", answer, QUOTE)) == [why]


def test_a_short_quote_may_be_the_answer() -> None:
    assert kind("follows", candidate("Which is it?", "Ask at the front desk", "Ask at the front desk.")) == [""]


def test_scripts_without_spaces_are_compared_by_letter() -> None:
    quote = "ロッカーは一週間四百円です。"
    assert kind("follows", candidate("いくら？", "四百円", quote), candidate("いくら？", "五千ドル", quote)) == [
        "",
        WORDS,
    ]
