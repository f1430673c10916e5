"""The judge's word counts; where it gives none, the row is not kept."""

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
        ("yes", ""),
        ("**Yes**, it does", ""),
        ("No.", "the judge says no"),
        ("I think so", "the judge's reply is neither yes nor no"),
        ("Nobody", "the judge's reply is neither yes nor no"),
    ],
)
def test_yes_keeps_the_row(tmp_path: Path, reply: str, expected: str) -> None:
    with RowStore(tmp_path / "judge.jsonl") as store:
        judge = Asker("judge", find_model(Scripted(lambda _: reply), "judge"), TokenPrice(), store, Budget())
        row = candidate("What does a locker cost?")
        assert kind("judge", row, context=Context(judge=judge)) == [expected]


def test_without_a_judge_nothing_is_taken() -> None:
    assert kind("judge", candidate("What does a locker cost?")) == [""]
