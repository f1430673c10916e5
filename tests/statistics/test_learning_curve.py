"""The forecast's band holds the truth, widens when points are few, and is not given where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.corpus.example import Example, Turn
from domainkit.results.schema import Estimate
from domainkit.statistics.intervals import wilson
from domainkit.statistics.learning_curve import learning_curve, nested_subsets


def point(n: int, value: float, half: float = 0.04) -> tuple[int, Estimate]:
    return n, Estimate(value=value, low=value - half, high=value + half, n=400)


def test_the_band_holds_the_truth() -> None:
    """200 true curves of three shapes, four points of 300 questions each, forecast at twice the most: the 95 % band."""
    rng = np.random.default_rng(0)
    sizes, held = np.array([100, 200, 400, 800]), []
    for k in range(200):
        c, a, b = ((0.95, 2.0, 0.4), (0.8, 5.0, 0.7), (0.6, 0.5, 0.2))[k % 3]
        right = rng.binomial(300, c - a * sizes**-b)
        low, high = wilson(right, 300)
        points = [
            (int(n), Estimate(value=r / 300, low=lo, high=hi, n=300))
            for n, r, lo, hi in zip(sizes, right, low, high, strict=True)
        ]
        ahead = learning_curve("tuned", points).forecast[0]
        assert ahead.low is not None
        assert ahead.high is not None
        held.append(ahead.low <= c - a * ahead.n**-b <= ahead.high)
    assert np.mean(held) >= 0.93


def test_a_rising_curve_rises_on_and_a_flat_one_stays() -> None:
    rising = learning_curve("tuned", [point(100, 0.4), point(200, 0.55), point(400, 0.67), point(800, 0.76)])
    assert [p.n for p in rising.forecast] == [1600, 3200]
    assert 0.78 < rising.forecast[0].value < 0.86
    flat = learning_curve("tuned", [point(100, 0.7), point(200, 0.71), point(400, 0.7), point(800, 0.71)])
    assert flat.forecast[1].value == pytest.approx(0.71, abs=0.02)
    assert rising == learning_curve("tuned", [point(800, 0.76), point(200, 0.55), point(100, 0.4), point(400, 0.67)])


def test_rougher_points_give_a_wider_band() -> None:
    values = (0.4, 0.55, 0.65)

    def width(half: float) -> float:
        ahead = learning_curve("t", [point(100 * 2**k, v, half) for k, v in enumerate(values)]).forecast[1]
        return (ahead.high or 0) - (ahead.low or 0)

    assert width(0.1) > width(0.03) > 0.02


def test_two_sizes_give_no_forecast_and_say_why() -> None:
    curve = learning_curve("tuned", [point(100, 0.5), point(200, 0.6), point(200, 0.61), (0, Estimate(value=None))])
    assert (len(curve.points), curve.forecast) == (2, ())
    assert curve.reason == "2 training set sizes are too few for a forecast; at least 3 are needed"


def test_parts_are_nested_and_drawn_from_the_seed() -> None:
    examples = [
        Example(turns=(Turn(role="user", content=str(i)), Turn(role="assistant", content="a"))) for i in range(80)
    ]
    small, middle, half = nested_subsets(examples)
    assert [len(small), len(middle), len(half)] == [10, 20, 40]
    assert middle[:10] == small
    assert half[:20] == middle
    assert nested_subsets(examples) == [small, middle, half] != nested_subsets(examples, seed=1)
