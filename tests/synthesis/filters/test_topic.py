"""A question that names nothing of its document is dropped; one common word, or its stem, is enough to pass."""

from __future__ import annotations

import pytest

from tests.synthesis.scripted import candidate, kind


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ("What does a boat in the harbour weigh?", "names nothing of the document"),
        ("What is the capital of France?", "names nothing of the document"),
        ("What does renting a locker come to?", ""),
        ("How are lockers paid for?", ""),
    ],
)
def test_topic(question: str, why: str) -> None:
    assert kind("topic", candidate(question)) == [why]
