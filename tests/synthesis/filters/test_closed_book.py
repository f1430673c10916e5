"""What the base knows without the document is taken; nearly the same words count."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.llm.named_model import find_model
from domainkit.synthesis.asking.asker import Asker
from domainkit.synthesis.budget import Budget, TokenPrice
from domainkit.synthesis.filters import Context
from tests.synthesis.scripted import Scripted, candidate, kind


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("It costs four pounds a week.", "the base knows it"),
        ("Four pounds each week", "the base knows it"),
        ("five pounds a week", ""),
        ("I do not know.", ""),
    ],
)
def test_an_answer_the_base_gives_is_taken(tmp_path: Path, reply: str, expected: str) -> None:
    with RowStore(tmp_path / "base.jsonl") as store:
        base = Asker("base", find_model(Scripted(lambda _: reply), "base"), TokenPrice(), store, Budget())
        row = candidate("What does a locker cost?", "four pounds a week", "A locker costs four pounds a week.")
        assert kind("closed book", row, context=Context(base=base)) == [expected]


def test_without_a_base_nothing_is_taken() -> None:
    assert kind("closed book", candidate("What does a locker cost?")) == [""]
