"""Learning curves: how a score grows with training examples, and what more of them would bring.

The form is score(n) = c - a·n^-b (Cortes et al. 1993, NIPS 6; Hestness et al. 2017, arXiv 1712.00409). Three to five
points cannot determine three numbers. So no single curve is chosen: every b and c of a grid counts, weighted by how
well it explains the points with their standard errors, and the forecast's band comes from all of them. Few points give
a wide band, not a bold line.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from scipy.special import ndtri

from domainkit.results.schema import CurvePoint, Estimate, LearningCurve

T = TypeVar("T")
Array = np.ndarray
LEAST_POINTS = 3
AHEAD = (2, 4)
"""Forecasts at these multiples of the most examples measured."""
SEED_NOISE = 0.01
"""Standard deviation between training runs that differ in their seed alone, added to each point's own error."""
DRAWS = 4_000
_B = np.linspace(0.05, 1.5, 30)
_C = np.linspace(0.01, 1.0, 100)


def learning_curve(variant: str, points: Sequence[tuple[int, Estimate]], *, level: float = 0.95) -> LearningCurve:
    """The curve through `points` (training examples, score with its interval) and its forecast at AHEAD.

    Without at least three different sizes there is no forecast, and `reason` says so.
    """
    estimates = {n: e for n, e in sorted(points, key=lambda p: p[0]) if e.value is not None and n > 0}
    measured = tuple(CurvePoint(n=n, value=e.value or 0.0, low=e.low, high=e.high) for n, e in estimates.items())
    if len(measured) < LEAST_POINTS:
        reason = f"{len(measured)} training set sizes are too few for a forecast; at least {LEAST_POINTS} are needed"
        return LearningCurve(variant=variant, points=measured, reason=reason)
    sizes = np.array([p.n for p in measured], float)
    scores = np.array([p.value for p in measured])
    errors = np.array([_error(e) for e in estimates.values()])
    ahead = [int(k * sizes[-1]) for k in AHEAD]
    draws = _forecast(sizes, scores, errors, np.array(ahead, float))
    tails = [(1 - level) / 2, 0.5, (1 + level) / 2]
    forecast = []
    for n, column in zip(ahead, draws.T, strict=True):
        low, middle, high = np.quantile(column, tails)
        forecast.append(CurvePoint(n=n, value=float(middle), low=float(low), high=float(high)))
    return LearningCurve(variant=variant, points=measured, forecast=tuple(forecast), level=level)


def _error(e: Estimate) -> float:
    """Standard error from the interval's width; a point without an interval counts as known to a tenth."""
    if e.low is None or e.high is None:
        return 0.1
    return float(np.hypot((e.high - e.low) / (2 * -ndtri((1 - e.level) / 2)), SEED_NOISE))


def _forecast(sizes: Array, scores: Array, errors: Array, ahead: Array) -> Array:
    """Draws (DRAWS, len(ahead)) of the score at `ahead` examples, over all curves that never fall."""
    b, c = (grid.ravel() for grid in np.meshgrid(_B, _C))
    # Sizes relative to the largest keep a of the size of a score.
    x = (sizes / sizes[-1]) ** -b[:, None]
    weight = errors**-2.0
    square = (weight * x**2).sum(1)
    a = (weight * x * (c[:, None] - scores)).sum(1) / square
    spread = square**-0.5
    left = c[:, None] - np.maximum(a, 0)[:, None] * x - scores
    fit = -0.5 * (weight * left**2).sum(1) + np.log(spread)
    rng = np.random.default_rng(0)
    picks = rng.choice(len(b), DRAWS, p=np.exp(fit - fit.max()) / np.exp(fit - fit.max()).sum())
    drawn = np.abs(a[picks] + spread[picks] * rng.standard_normal(DRAWS))
    return np.clip(c[picks, None] - drawn[:, None] * (ahead / sizes[-1]) ** -b[picks, None], 0, 1)


def nested_subsets(
    examples: Sequence[T], shares: Sequence[float] = (1 / 8, 1 / 4, 1 / 2), seed: int = 0
) -> list[list[T]]:
    """Growing parts of the examples, each a superset of the one before: sizes differ, the examples in common do not."""
    order = list(examples)
    random.Random(f"nested {seed}").shuffle(order)
    return [order[: max(1, round(share * len(order)))] for share in sorted(shares)]
