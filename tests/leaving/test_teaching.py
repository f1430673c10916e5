"""The incumbent answers questions before it is left: which are asked, what they cost, and what the certificate says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit import read_examples
from domainkit.errors import ConfigError
from domainkit.leaving.leave import leave
from domainkit.results.schema import Results
from tests.leaving.scripted import Scripted
from tests.leaving.test_leave import write

PRICES = 'currency = "EUR"\n[models.Scripted]\ninput = 100\noutput = 1000\n'
"""An answer of the script is 10 tokens read and 1 written: 0.002."""
OLD = "my bees number 900: hive"
QUESTIONS = [OLD, "my bees number 100: lamp", "the stool number 901: chair", "a bill number 902: nothing"]


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """No adapter is trained: the candidate is the commonest label."""
    monkeypatch.setattr("domainkit.leaving.leave.LADDER", ("trivial",))
    (tmp_path / "prices.toml").write_text(PRICES)
    return {
        "train": write(tmp_path / "train.jsonl", 0, 16),
        "task": write(tmp_path / "test.jsonl", 100, 12),
        "prices": str(tmp_path / "prices.toml"),
        "out": tmp_path / "run",
        "latency_items": 0,
        "kind": "label",
        "candidates": ["trivial"],
    }


def unlabelled() -> list[dict[str, Any]]:
    turns = [[("system", "Name the topic."), ("user", text)] for text in QUESTIONS]
    turns[2].append(("assistant", "chair"))  # one that somebody has labelled
    return [{"messages": [{"role": r, "content": c} for r, c in row]} for row in turns]


def test_what_it_teaches_joins_the_rows_and_a_budget_that_ends_leaves_nothing_decided(options: dict[str, Any]) -> None:
    copy = "amber light number 100: lamp"  # a question of the test
    rows = [*unlabelled(), {"messages": [{"role": "user", "content": copy}]}]
    model = Scripted()
    first = leave(model, **options, teach=rows, teaching={"budget_calls": 9}, budget=0.009)
    taught = len(model.asked) - 4
    assert (first.outcome, first.exit_code, first.unpaid, first.failed) == ("NOT DECIDED", 3, 8, 8)
    assert copy not in model.asked[:taught]
    facts = first.facts.taught
    assert facts is not None
    assert (facts.questions, facts.calls, facts.money) == (5, taught, pytest.approx(0.002 * taught))
    made = read_examples(options["out"] / "taught" / "train.jsonl")
    assert {e.teacher for e in made} == {"Scripted"}
    assert OLD in [e.question for e in made]
    assert "nothing" not in [e.target for e in made]  # no label
    assert Results.load(options["out"]).task.train_rows == 16 + len(made)
    page = (options["out"] / "certificate.md").read_text("utf-8")
    assert page.startswith("# Not decided: test")
    assert "the budget ended before Scripted had answered all 12 questions" in page
    assert "the budget paid for 4 of 12 questions of the model in use. 8 are left: about 0.016 EUR." in page
    assert f"{len(made)} of the training rows have its answers, of 5 questions; right on 100" in page
    assert f"of the 1 with a target; {taught} calls, " in page
    assert "Look whether the terms of its provider let you train on its answers" in page
    again = Scripted()
    second = leave(again, **options, teach=rows, teaching={"budget_calls": 9}, budget=1)
    assert second.outcome != "NOT DECIDED"
    assert len(again.asked) == 8
    assert not set(again.asked) & set(model.asked)


def test_its_price_may_stand_under_its_model(options: dict[str, Any]) -> None:
    leave(Scripted(), **options)
    cost = Results.load(options["out"]).cost
    assert cost is not None
    [found] = [v for v in cost.variants if v.name == "incumbent"]
    assert (found.paid_by, found.per_thousand.value) == ("tokens", pytest.approx(2.0))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"teaching": {"samples": 3}}, "samples is set, and nothing is to be taught\n  next: give questions without"),
        ({"teach": ["a"], "teaching": {"shots": 3}}, "teaching.shots: 'shots' is not an option of the teaching"),
        ({"teach": ["a"], "teaching": {"prices": "x"}}, "next: give --prices to leave itself"),
        ({"teach": ["a"], "budget": 1}, "budget: the budget counts the test questions, and the teaching has none"),
        ({"teach": ["a"], "teaching": {"budget_money": 1}, "prices": None}, "[models.Scripted] with input and output"),
        ({"teach": ["a"], "adapter": "x"}, "so nothing is trained, and teach would not be used"),
        ({"teach": ["a"], "teaching": {"sample": 3}}, "sample"),
        ({"budget": 1, "prices": None}, "variant 'incumbent' would be asked within a budget, but the price"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_asked(
    options: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    model = Scripted()
    with pytest.raises(ConfigError) as caught:
        leave(model, **{**options, **more})
    assert said in str(caught.value)
    assert not model.asked


def test_a_teaching_that_is_accepted_nowhere_is_named(options: dict[str, Any]) -> None:
    leave(Scripted(), **options, teach=["one nothing", "two nothing"])
    page = (options["out"] / "certificate.md").read_text("utf-8")
    assert "The model in use taught nothing: none of its answers was accepted" in page
    assert len(json.loads((options["out"] / "taught" / "distil.json").read_text("utf-8"))["refused"]) == 1
