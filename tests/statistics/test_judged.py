"""Tango on effective labels: what it must equal, what must not change it, and simulated coverage with its error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.statistics.intervals import graded_interval
from domainkit.statistics.judged import Judged, Reviews, effective, judged_difference, midp
from domainkit.statistics.paired import mcnemar_midp, tango_interval

D = [1.0, -1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""Twelve reviews: three wins, one loss."""


def drawn(seed: int, questions: int, reviews: int) -> tuple[list[float | None], list[float]]:
    """Reviews of the first questions of a comparison, and a judge that mostly agrees."""
    rng = np.random.default_rng(seed)
    d = rng.choice([-1.0, 0.0, 1.0], questions, p=[0.1, 0.6, 0.3])
    h = np.where(rng.random(questions) < 0.8, d, rng.choice([-1.0, 0.0, 1.0], questions))
    return [float(v) if i < reviews else None for i, v in enumerate(d)], [float(v) for v in h]


def test_without_a_judge_it_is_tango_to_the_last_digit() -> None:
    low, high = tango_interval(3, 1, 12)
    for h in (None, [0.7] * 60):
        found = judged_difference(D + [None] * 48, h)
        assert (found.low, found.high, found.n_eff, found.r2) == pytest.approx((low, high, 12, 0), abs=1e-12)
        assert found.p == pytest.approx(mcnemar_midp(3, 1))
        assert not found.judge_adds


def test_where_all_are_reviewed_the_judge_vanishes() -> None:
    found = judged_difference(D, D)
    assert (found.low, found.high) == pytest.approx(tango_interval(3, 1, 12), abs=1e-12)
    assert found.n_eff == found.n_alone == 12


def test_fewer_than_ten_reviews_do_not_ask_the_judge() -> None:
    found = judged_difference(D[:9] + [None] * 91, D[:9] + [0.0] * 91)
    assert (found.low, found.high) == pytest.approx(tango_interval(3, 1, 9), abs=1e-12)


def test_no_disagreement_leaves_tangos_width() -> None:
    found = judged_difference([0.0] * 20 + [None] * 80, [0.0, 1.0] * 50)
    assert (found.low, found.high) == pytest.approx(tango_interval(0, 0, 20), abs=1e-12)
    assert found.p == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 60), st.booleans(), st.booleans())
def test_swapping_the_variants_mirrors_and_a_constant_for_the_judge_changes_nothing(
    seed: int, reviews: int, clustered: bool, weighted: bool
) -> None:
    d, h = drawn(seed, 60, reviews)
    chances = list(np.random.default_rng(seed).uniform(0.1, 0.9, 60)) if weighted else None
    clusters = [i % 12 for i in range(60)] if clustered else None
    found = judged_difference(d, h, chances=chances, clusters=clusters)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert 0 < found.n_eff <= 60
    swapped = judged_difference(
        [None if v is None else -v for v in d], [-v for v in h], chances=chances, clusters=clusters
    )
    assert (-swapped.high, -swapped.low) == pytest.approx((found.low, found.high))
    shifted = judged_difference(d, [v / 2 + 0.3 for v in h], chances=chances, clusters=clusters)
    unshifted = judged_difference(d, [v / 2 for v in h], chances=chances, clusters=clusters)
    assert (shifted.low, shifted.high) == pytest.approx((unshifted.low, unshifted.high))


def test_a_good_judge_is_worth_reviews_and_a_useless_or_contrary_one_costs_none() -> None:
    d, h = drawn(1, 500, 50)
    good = judged_difference(d, h)
    assert good.judge_adds
    assert good.n_eff > 70
    assert good.r2 > 0.3
    assert good.high - good.low < np.subtract(*tango_interval(*_counts(d), 50)[::-1])
    assert judged_difference(d, [-v for v in h]).n_eff == 50


def _counts(d: list[float | None]) -> tuple[int, int]:
    return sum(v == 1 for v in d), sum(v == -1 for v in d)


def test_one_cluster_for_each_question_is_hardly_wider_and_equal_questions_count_once() -> None:
    d, h = drawn(2, 200, 50)
    alone = judged_difference(d, h)
    assert judged_difference(d, h, clusters=list(range(200))) == alone
    pairs = judged_difference(d, h, clusters=[*range(199), 198])
    assert pairs.high - pairs.low == pytest.approx(alone.high - alone.low, rel=0.05)
    doubled = judged_difference([v for v in d for _ in "ab"], [v for v in h for _ in "ab"], clusters=[*range(200)] * 2)
    copies = judged_difference(
        [v for v in d for _ in "ab"], [v for v in h for _ in "ab"], clusters=[i // 2 for i in range(400)]
    )
    assert copies.high - copies.low > 1.2 * (doubled.high - doubled.low)


def test_one_cluster_says_next_to_nothing() -> None:
    found = judged_difference([1.0] * 15 + [None] * 15, [1.0] * 30, clusters=["one"] * 30)
    assert found.n_eff == 1
    assert not found.clear


def test_identical_answers_are_reviews_for_nothing() -> None:
    """Half of 400 questions have identical answers: 40 reviews of the others say more than 40 of any."""
    d, h = drawn(3, 200, 40)
    found = judged_difference(d + [None] * 200, h + [0.0] * 200, identical=[False] * 200 + [True] * 200)
    alone = judged_difference(d, h)
    assert found.estimate == pytest.approx(alone.estimate / 2)
    assert found.n_alone > 70
    assert found.high - found.low < 0.6 * (alone.high - alone.low)
    every = judged_difference([v or 0.0 for v in d] + [None] * 200, identical=[False] * 200 + [True] * 200)
    assert every.n_eff == pytest.approx(400), "all that differ are reviewed: the others are known"


def test_graded_differences_take_the_outer_ends() -> None:
    d = [0.5, -0.5, 1.0, 0.0, 0.5, 0.0, 0.0, 0.25, 0.0, 0.0, 0.5, 1.0]
    found = judged_difference([*d, *[None] * 40])
    low, high = graded_interval(np.array(d), 0.95)
    assert found.low <= low + 1e-9
    assert found.high >= high - 1e-9


@given(st.integers(0, 60), st.integers(0, 60))
def test_midp_of_whole_counts_is_mcnemars(wins: int, losses: int) -> None:
    assert midp(wins, losses) == pytest.approx(mcnemar_midp(wins, losses))


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (partial(judged_difference, [1.0, None], [1.0]), "one entry per question"),
        (partial(judged_difference, [1.5, None]), r"in \[-1, 1\]"),
        (partial(judged_difference, [1.0, None], [float("nan"), 0.0]), r"in \[-1, 1\]"),
        (partial(judged_difference, [None, None]), "no question"),
        (partial(judged_difference, [1.0, 0.0], chances=[0.0, 1.0]), "chance"),
        (partial(judged_difference, [1.0, 0.0], identical=[True, False]), "identical answers"),
    ],
)
def test_what_cannot_be_is_refused(ask: Callable[[], Judged], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        ask()


def test_a_hostile_judge_neither_breaks_coverage_nor_makes_winners() -> None:
    """2,000 draws, 25 reviews of 500, a tenth of the questions discordant, the judge 10 points for A whatever the
    truth: standard error .005, so .935 and .06 are three below and two above what the page shows."""
    rng = np.random.default_rng(4)
    for difference in (0.0, 0.06):
        u = rng.random((2_000, 500))
        d = (u < (0.1 + difference) / 2) * 1.0 - (u > 1 - (0.1 - difference) / 2)
        right = rng.random(d.shape) < 0.6
        a, b = (
            np.where(d > 0, True, np.where(d < 0, False, right)),
            np.where(d > 0, False, np.where(d < 0, True, right)),
        )
        told = [np.where(rng.random(d.shape) < 0.9, x, ~x) for x in (a, b)]
        h = np.where(rng.random(d.shape) < 0.1, 1.0, told[0]) - told[1]
        reviewed = np.arange(500) < 25
        found = effective(Reviews(d * reviewed, h, np.broadcast_to(reviewed, d.shape)))
        wins, losses = found.counts
        low, high = tango_interval(wins, losses, found.n)
        assert ((low <= difference) & (difference <= high)).mean() >= 0.935
        if difference == 0:
            assert (((low > 0) | (high < 0)) & (midp(wins, losses) < 0.05)).mean() <= 0.06
