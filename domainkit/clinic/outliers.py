"""Rows far from all others, by sentence vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from domainkit.statistics.intervals import Array

NEIGHBOURS = 5
LEAST_ROWS = 30
"""With fewer rows no distance is unusual."""
DEVIATIONS = 4.0
"""Below the median, in robust standard deviations (1.4826 times the median absolute deviation)."""
FAR = 0.15
"""And at least this much below the median: where all rows are alike, a little is many deviations."""
_BLOCK = 1024


class Outlier(NamedTuple):
    """A row and its mean cosine with its nearest rows, and the median of all rows."""

    row: int
    cosine: float
    median: float
    deviations: float


def outliers(vectors: Array, on_progress: Callable[[int, int], None]) -> list[Outlier]:
    """The rows whose nearest rows are unusually far, the farthest first. `vectors`: (rows, width), of length 1."""
    if len(vectors) < LEAST_ROWS:
        return []
    cosines = np.empty(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK] @ vectors.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -1  # not a row with itself
        cosines[start : start + _BLOCK] = np.sort(np.partition(block, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:]).mean(
            axis=1
        )
        on_progress(min(start + _BLOCK, len(vectors)), len(vectors))
    median = float(np.median(cosines))
    spread = max(1.4826 * float(np.median(np.abs(cosines - median))), 1e-3)
    deviations = (median - cosines) / spread
    far = sorted(
        np.flatnonzero((deviations > DEVIATIONS) & (median - cosines > FAR)).tolist(), key=lambda i: (cosines[i], i)
    )
    return [Outlier(i, float(cosines[i]), median, float(deviations[i])) for i in far]
