"""Errors are no evidence: nothing is recommended from them, and the headline says what failed."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.results.schema import Estimate, Verdict
from tests.verdict.test_verdict import scored, verdict

BROKEN: dict[str, Any] = {"metrics": {"label_accuracy": Estimate(value=None, reason="every question failed")}}


def without(*failed: str, **rates: float) -> Verdict:
    """The verdict where `failed` have no score."""
    scores = scored(100, **rates, **dict.fromkeys(failed, 0.5))
    return verdict({n: [None] * 100 if n in failed else s for n, s in scores.items()}, dict.fromkeys(failed, BROKEN))


@pytest.mark.parametrize("failed", [("zero_shot",), ("zero_shot", "rag", "tuned"), ("mine",)])
def test_a_classical_model_alone_is_no_verdict(failed: tuple[str, ...]) -> None:
    v = without(*failed, classical=0.9)
    assert (v.answer, v.choice) == ("cannot tell yet", "")
    assert v.headline.startswith("Cannot tell: ")
    assert all(name in v.headline for name in failed)
    assert "gave no answer that could be scored, so " in v.headline
    assert f"{failed[0]} takes no part in the verdict: every question failed." in v.cautions
    assert v.action is not None
    assert v.action.kind == "mend-errors"
    assert "classical" not in v.action.sentence


def test_the_others_are_decided_without_it() -> None:
    v = without("rag", classical=0.3, zero_shot=0.5, tuned=0.9)
    assert (v.answer, v.choice) == ("fine-tune", "tuned")
    assert "rag takes no part in the verdict: every question failed." in v.cautions
    assert not any("rag" in reason for reason in v.reasons)


def with_errors(share: float, *, elsewhere: bool) -> Verdict:
    """tuned is right on 90 of 100 questions, but fails on a share of these; zero_shot is right on 70."""
    n = round(100 * share)
    tuned = [0.0] * n + [1.0] * (90 - n) + [0.0] * 10
    zero = [1.0] * 70 + [0.0] * 30 if elsewhere else [0.0] * 30 + [1.0] * 70
    errors = {"tuned": [i < n for i in range(100)], "zero_shot": [False] * 100}
    return verdict({"zero_shot": zero, "tuned": tuned}, {"tuned": {"failures": n}}, errors=errors)


def test_a_verdict_that_errors_alone_would_make_is_not_drawn() -> None:
    v = with_errors(0.6, elsewhere=True)
    assert (v.answer, v.choice) == ("cannot tell yet", "")
    assert v.headline.startswith(
        "Cannot tell: tuned failed on 60 of 100 questions, and without these the verdict would"
    )
    assert v.next_steps[0].startswith("Fix tuned first")


@pytest.mark.parametrize("share", [0.0, 0.04])
def test_few_errors_decide_nothing(share: float) -> None:
    assert with_errors(share, elsewhere=True).answer == "fine-tune"


def test_a_verdict_that_holds_without_the_errors_stands() -> None:
    n = 10
    errors = {"tuned": [i < n for i in range(100)], "zero_shot": [False] * 100}
    tuned, zero = [0.0] * n + [1.0] * 85 + [0.0] * 5, [1.0] * 20 + [0.0] * 80
    v = verdict({"zero_shot": zero, "tuned": tuned}, {"tuned": {"failures": n}}, errors=errors)
    assert (v.answer, v.choice) == ("fine-tune", "tuned")
    assert v.action is not None
    assert v.action.kind == "mend-errors"
