"""Who asks for an amount gets one, in digits or in words."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind


@pytest.mark.parametrize(
    ("question", "answer", "passes"),
    [
        ("How much does a locker cost?", "£4 a week", True),
        ("How many guests may come?", "five guests", True),
        ("How many guests may come?", "twenty-one", True),
        ("How long is the notice period?", "half a year", True),
        ("How much is the visit for children?", "It is free", True),
        ("Wie viele Gäste dürfen kommen?", "fünf", True),
        ("How many guests may come?", "三人", True),
        ("How does a locker open?", "by its key", True),
        ("How much does a locker cost?", "the porter", False),
        ("What does a visit cost?", "The diary is kept by Nadia Pell.", False),
        ("How many guests may come?", "friends and family", False),
        ("Combien coûte un casier ?", "le gardien", False),
    ],
)
def test_amount(question: str, answer: str, passes: bool) -> None:
    assert (kind("amount", candidate(question, answer)) == [""]) == passes
