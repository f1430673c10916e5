"""A reward is a metric, a function or a judge; what is not a finite number is refused."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError, DataError, TrainingError
from domainkit.evaluation.metrics import METRICS, CorpusMetric, PassageMetric, Score, declared
from domainkit.evaluation.metrics.judge import judge
from domainkit.evaluation.task import Sample, Task
from domainkit.training.preference.rewards import Scorer


def rows(*targets: str) -> list[Example]:
    return [
        Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content=t)), source=f"r:{i}")
        for i, t in enumerate(targets)
    ]


WRITTEN = {"fields": '{{"colour": "{}"}}', "labels": '["{}"]'}
"""How a colour is written in a target of the kind; elsewhere it is the target."""


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_a_reward_or_says_why_not(name: str) -> None:
    """A right answer is worth more than one that is wrong."""
    written = WRITTEN.get(declared(name).kinds[0], "{}").format
    data = rows(written("red"), written("blue"))
    made = METRICS.load(name)(Task(name="t", kind="label", samples=(), labels=("red",), fingerprint=""))
    if isinstance(made, CorpusMetric | PassageMetric):
        why = "scores a whole set of answers" if isinstance(made, CorpusMetric) else "reads passages beside the answer"
        with pytest.raises(ConfigError, match=f"{why}, and a reward one answer"):
            Scorer(name, data)
        return
    if "answer" not in declared(name).kinds and "calls" in declared(name).kinds:
        with pytest.raises(DataError, match="no row has tools"):
            Scorer(name, data)
        return
    scorer = Scorer(name, data)
    right, wrong = scorer([0, 0], [written("red"), "qqq"])
    assert right is not None
    assert wrong is not None
    assert right > wrong


def test_a_metric_of_which_less_is_better_is_turned() -> None:
    scorer = Scorer("parse_failure", rows("red", "blue"))
    assert scorer.name == "1 - parse_failure"
    assert scorer([0, 1], ["red", "nothing"]) == [1.0, 0.0]


def test_an_unknown_metric_names_the_near_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'token_f1'"):
        Scorer("tokenf1", rows("a"))


def test_a_function_scores_and_may_leave_answers_out() -> None:
    def length(sample: Sample, answer: str) -> Any:
        return {"q0": len(answer), "q1": Score(0.5), "q2": None}[sample.input]

    scorer = Scorer(length, rows("a", "b", "c"))
    assert scorer.name == "length"
    assert scorer([0, 1, 2], ["four", "x", "y"]) == [4.0, 0.5, None]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "good"])
def test_a_reward_that_is_not_a_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(TrainingError, match=r"the reward <lambda> gave .* for the answer 'x'"):
        Scorer(lambda sample, answer: value, rows("a"))([0], ["x"])


def test_a_failing_reward_function_is_reported() -> None:
    with pytest.raises(TrainingError, match="the reward <lambda> failed: ZeroDivisionError"):
        Scorer(lambda sample, answer: 1 / 0, rows("a"))([0], ["x"])


def test_a_judge_is_a_reward_that_scores_in_one_batch() -> None:
    class Grader:
        def batch(self, requests: list[Any], return_exceptions: bool = False) -> list[Any]:
            return [AIMessage("7") if "good" in request[1][1] else AIMessage("no") for request in requests]

    llm: Any = Grader()
    scorer = Scorer(judge(llm, "It is short."), rows("a", "b"))
    assert scorer.name == "judge: It is short."
    assert scorer([0, 1], ["good", "bad"]) == [0.7, None]
