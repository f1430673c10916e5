"""A question that holds its answer is dropped."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind

WHOLE, WORDS = "the answer stands in the question", "every word of the answer is in the question"


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Does a locker cost £4 a week?", "£4", WHOLE),
        ("Is the locker red or blue?", "Blue", WHOLE),
        ("Who is Ada Brandt, who sells tickets?", "Ada Brandt", WHOLE),
        ("What does the week of a locker cost?", "a locker week", WORDS),
        ("What does a locker cost?", "£4 a week", ""),
        ("Which part of the lock breaks?", "the locker", ""),
    ],
)
def test_given_away(question: str, answer: str, why: str) -> None:
    assert kind("given away", candidate(question, answer)) == [why]
