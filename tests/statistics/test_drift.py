"""Drift: what the formula says by hand, bounds that hold, state that goes on, and no alarm without a change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from domainkit.statistics.drift import ALTERNATIVES, FALL, HORIZON, RISE, Bets, Bounds, alarm_at, upper_bound


def one(marked: float, n: float) -> Bounds:
    return Bounds.of(np.array([marked]), np.array([n]))


def test_the_bound_is_clopper_pearsons() -> None:
    assert upper_bound(np.array(7), np.array(150), 0.025) == pytest.approx(beta.ppf(0.975, 8, 143))
    assert upper_bound(np.array([0, 150, 3]), np.array([20, 150, 0]), 0.05) == pytest.approx(
        [1 - 0.05 ** (1 / 20), 1, 1]
    )


def test_one_step_is_the_formula() -> None:
    bounds, bets = one(30, 300), Bets.none_yet(1)
    p = beta.ppf(1 - 0.0125, 31, 270)
    assert bounds.shares[0, RISE] == pytest.approx(p)
    bets.add(bounds, np.array([50]), np.array([12]), 50)
    a = p + (1 - p) * ALTERNATIVES
    expected = 0.01 * (a / p) ** 12 * ((1 - a) / (1 - p)) ** 38
    assert bets.sums[0, RISE] == pytest.approx(expected)
    assert bets.values()[0, RISE] == pytest.approx(expected.mean() + 0.99)
    first = bets.sums[0, RISE].copy()
    bets.add(bounds, np.array([10]), np.array([1]), 10)
    assert bets.sums[0, RISE] == pytest.approx((first + 0.002) * (a / p) * ((1 - a) / (1 - p)) ** 9)


def test_a_fall_is_the_rise_of_the_unmarked() -> None:
    falls, rises = Bets.none_yet(1), Bets.none_yet(1)
    falls.add(one(90, 300), np.array([40]), np.array([3]), 40)
    rises.add(one(210, 300), np.array([40]), np.array([37]), 40)
    assert falls.sums[0, FALL] == pytest.approx(rises.sums[0, RISE])
    assert falls.values()[0, FALL] > 1 > falls.values()[0, RISE]


def test_without_a_value_or_room_nothing_is_won() -> None:
    bounds, bets = Bounds.of(np.array([0.0, 20.0]), np.array([0.0, 20.0])), Bets.none_yet(2)
    bets.add(bounds, np.array([100, 0]), np.array([100, 0]), 100)
    assert bets.values() == pytest.approx(1)


def test_the_change_is_placed() -> None:
    bounds, bets = one(30, 300), Bets.none_yet(1)
    for k in range(400):
        bets.add(bounds, np.array([1]), np.array([(k >= 300 and k % 2 == 0) or k % 10 == 0]), 1)
    began, n, marked = bets.change_of(0, RISE)
    assert 280 <= began <= 310
    assert n == 400 - began
    assert 0.4 < marked / n < 0.6
    assert bets.value(bounds) > alarm_at()


def test_bets_begin_anew_and_stay_finite() -> None:
    bounds, bets = one(5, 300), Bets.none_yet(1)
    for _ in range(HORIZON // 1000):
        bets.add(bounds, np.array([1000]), np.array([1000]), 1000)
    assert bets.value(bounds) > 1e6
    assert np.isfinite(bets.sums).all()
    bets.add(bounds, np.array([1]), np.array([0]), 1)
    assert (bets.renewals, bets.spent, bets.counted) == (1, 1, HORIZON + 1)
    assert float(bets.value(bounds)) == pytest.approx(1, abs=1e-3)


def test_no_alarm_too_often_when_nothing_changes() -> None:
    """The reference is drawn, too. Repetitions are a leading axis."""
    rng = np.random.default_rng(0)
    runs = 400
    shares = np.array([0.05, 0.2, 0.5])
    bounds, bets = Bounds.of(rng.binomial(200, shares, (runs, 3)), np.full(3, 200)), Bets.none_yet(runs, 3)
    ever = np.zeros(runs, bool)
    for _ in range(100):
        bets.add(bounds, np.full(3, 50), rng.binomial(50, shares, (runs, 3)), 50)
        ever |= bets.value(bounds) >= alarm_at()
    assert ever.mean() <= 0.05


def test_weights_divide_what_may_go_wrong() -> None:
    alike = Bounds.of(np.array([30.0, 30.0]), np.array([300.0, 300.0]))
    heavy = Bounds.of(np.array([30.0, 30.0]), np.array([300.0, 300.0]), np.array([0.9, 0.1]))
    assert heavy.shares[0, RISE] < alike.shares[0, RISE] < heavy.shares[1, RISE]
