"""The best of several equal configurations looks better than it is, since chance helped it to be the best."""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtri


def expected_luck(k: int, score: float | None, n: int) -> float:
    """By how much the best of `k` equal configurations exceeds its true score on `n` items on average, as a fraction.

    Blom's approximation of the largest of k normal draws (1958, Statistical Estimates and Transformed Beta-Variables).
    A score that is not known counts as 0.5, where chance has the most room.
    """
    mean = min(max(0.5 if score is None else score, 0.0), 1.0)
    return float(ndtri((k - 0.375) / (k + 0.25))) * sqrt(mean * (1 - mean) / max(n, 1))
