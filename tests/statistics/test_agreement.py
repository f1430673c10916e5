"""Agreement: published figures, undefined cases, weights and clusters."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.results.schema import Estimate
from domainkit.statistics.agreement import agreement, judge_agreement
from domainkit.statistics.intervals import wilson


def ends(found: Estimate) -> tuple[float, float, float]:
    assert found.low is not None
    assert found.value is not None
    assert found.high is not None
    return found.low, found.value, found.high


def width(found: Estimate) -> float:
    return ends(found)[2] - ends(found)[0]


def verdicts(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    a = [True] * (both + first) + [False] * (second + neither)
    return a, [True] * both + [False] * first + [True] * second + [False] * neither


def test_gwets_table() -> None:
    """118, 5, 2, 0 of 125: kappa -.023, AC1 .941 (Gwet 2008)."""
    found = agreement(*verdicts(118, 5, 2, 0))
    assert found.n == 125
    assert found.raw.value == pytest.approx(118 / 125)
    assert (found.raw.low, found.raw.high) == pytest.approx(wilson(118, 125))
    assert found.kappa.value == pytest.approx(-0.0234, abs=5e-5)
    assert found.ac1.value == pytest.approx(0.9408, abs=5e-5)
    for part in (found.kappa, found.ac1):
        low, value, high = ends(part)
        assert low < value < high


def test_all_alike_has_no_kappa_and_says_why() -> None:
    found = agreement([True] * 20, [True] * 20)
    assert found.kappa.value is None
    assert found.kappa.reason == "both say the same of every answer"
    assert found.ac1.value == 1
    assert ends(found.ac1)[0] < 0.85, "twenty answers without a disagreement are no proof"


def test_unjudged_answers_are_left_out_and_none_left_is_no_figure() -> None:
    found = agreement([True, None, False, True], [True, True, None, False])
    assert found.n == 2
    assert found.raw.value == 0.5
    nothing = agreement([None, True], [True, None])
    assert (nothing.n, nothing.raw.value, nothing.kappa.value) == (0, None, None)
    assert nothing.raw.reason == nothing.ac1.reason == "no answer was judged by both"
    assert agreement([True], [True]).raw.low is not None
    with pytest.raises(ValueError, match="one entry per answer"):
        agreement([True], [True, False])


def test_sensitivity_and_specificity() -> None:
    people, judge = verdicts(40, 10, 6, 24)
    found = judge_agreement(people, judge)
    assert found.sensitivity.value == pytest.approx(0.8)
    assert found.specificity.value == pytest.approx(0.8)
    assert (found.specificity.low, found.specificity.high) == pytest.approx(wilson(24, 30))
    assert judge_agreement([True] * 3, [True] * 3).specificity.reason == "no answer is wrong in people's eyes"


def test_chances_undo_what_the_queue_prefers() -> None:
    """The judge is wrong on disputed questions, which are shown four times as often as others."""
    rng = np.random.default_rng(0)
    disputed = rng.random(4_000) < 0.2
    people = rng.random(4_000) < 0.6
    judge = np.where(rng.random(4_000) < np.where(disputed, 0.5, 0.95), people, ~people)
    chances = np.where(disputed, 0.8, 0.2)
    shown = rng.random(4_000) < chances
    truth = 0.2 * 0.5 + 0.8 * 0.95
    plain = judge_agreement(people[shown].tolist(), judge[shown].tolist())
    weighted = judge_agreement(people[shown].tolist(), judge[shown].tolist(), chances=chances[shown].tolist())
    assert ends(plain.raw)[2] < truth - 0.05
    assert ends(weighted.raw)[0] < truth < ends(weighted.raw)[2]


def test_copies_of_an_answer_say_no_more() -> None:
    first, second = verdicts(40, 10, 6, 24)
    once = agreement(first, second)
    copied = agreement(first * 3, second * 3, clusters=[*range(80)] * 3)
    assert width(copied.raw) == pytest.approx(width(once.raw), rel=0.05)
    assert width(copied.kappa) == pytest.approx(width(once.kappa), rel=0.05)
