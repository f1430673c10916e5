"""Of several answers the one that most agree with, and only where enough do."""

from __future__ import annotations

import pytest

from domainkit import Sample, Task
from domainkit.distillation.acceptance import DISAGREE, NO_REPLY, Acceptance
from domainkit.distillation.answer_form import EMPTY, Read
from domainkit.distillation.config import DistilConfig

QUESTION = Sample(id="1", input="q", target="", references=())


def acceptance(samples: int, **task: object) -> Acceptance:
    made = Task.model_validate({"name": "t", "kind": "label", "samples": (), "fingerprint": "", **task})
    return Acceptance(made, DistilConfig(samples=samples))


def test_of_labels_the_agreement_is_the_majoritys_share_of_all_samples() -> None:
    decide = acceptance(5, labels=("a", "b")).decide
    found = decide(QUESTION, [Read("b"), Read("a"), Read("a"), Read(fault=EMPTY), Read("a")])
    assert (found.answer, found.agreement, found.refused) == ("a", 0.6, "")
    found = decide(QUESTION, [Read("b"), Read("a"), Read("a"), Read(fault=EMPTY), Read(fault=EMPTY)])
    assert (found.agreement, found.refused) == (0.4, DISAGREE)


def test_of_free_answers_it_is_the_mean_score_between_them() -> None:
    found = acceptance(2, kind="answer").decide(QUESTION, [Read("four crowns"), Read("four crowns each")])
    assert found.agreement == pytest.approx((1 + 0.8) / 2)  # token F1: 2·2 / (2 + 3)


def test_a_question_whose_samples_are_not_all_there_waits() -> None:
    assert acceptance(3, labels=("a", "b")).decide(QUESTION, [Read("a"), Read("a")]).refused == NO_REPLY


def test_one_answer_needs_no_agreement() -> None:
    found = acceptance(1, labels=("a", "b")).decide(QUESTION, [Read("a")])
    assert (found.answer, found.agreement, found.refused) == ("a", None, "")
