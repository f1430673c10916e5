"""In which order people are shown the questions, and with which chance each question is among those shown.

What narrows the interval of a difference is seeing the questions on which the two answers differ in verdict. So a
question's weight is half uniform and half in proportion to √x, x = the judge's chance that exactly one answer is right.
The uniform half keeps the interval safe where the judge is bad (Zrnic and Candès 2024, arXiv 2403.03208, and the path
from uniform to active of arXiv 2511.08991). Two identical answers differ in nothing: they are never shown, and
`judged` knows that.

Each question draws u in (0, 1) once; the order is that of u/weight. For every n its first n questions are a sequential
Poisson sample (Ohlsson 1998, Journal of Official Statistics 14:149) with the inclusion probabilities of `chances`, so
reviewing may stop after any number planned. Never order by the weight itself: "most disputed first" is no sample, and
its mean is far from the truth (`docs/statistics.md` shows by how much).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from domainkit.statistics.intervals import Array

UNIFORM = 0.5


def weights(
    identical: Sequence[bool], right_a: Sequence[float] | None = None, right_b: Sequence[float] | None = None
) -> list[float]:
    """Each question's weight, summing to 1; 0 where both answers are identical.

    `right_a` and `right_b`: the judge's probability that each answer is right. Without a judge, and with bare verdicts
    of 0 and 1, all differing questions weigh the same: verdicts are too sure to weigh by.
    Raises ValueError for lengths that differ and probabilities outside [0, 1].
    """
    if any(given is not None and len(given) != len(identical) for given in (right_a, right_b)):
        raise ValueError("the judge's probabilities and `identical` must have one entry per question")
    shown = ~np.asarray(identical, bool)
    uniform = shown / max(shown.sum(), 1)
    if right_a is None or right_b is None:
        return [float(w) for w in uniform]
    a, b = np.asarray(right_a, float), np.asarray(right_b, float)
    if not ((a >= 0) & (a <= 1) & (b >= 0) & (b <= 1)).all():
        raise ValueError("the judge's probabilities must lie in [0, 1]")
    root = np.sqrt(a * (1 - b) + b * (1 - a)) * shown
    if root.sum() == 0 or np.isin(np.concatenate([a, b]), (0.0, 1.0)).all():
        return [float(w) for w in uniform]
    return [float(w) for w in UNIFORM * uniform + (1 - UNIFORM) * root / root.sum()]


def queue(weights: Sequence[float], seed: int) -> list[int]:
    """The questions in the order to show them; those of weight 0 are left out. The same seed gives the same order."""
    rng = random.Random(f"review queue {seed}")
    keys = [(rng.random(), weight, i) for i, weight in enumerate(weights)]
    return [i for _, i in sorted((u / weight, i) for u, weight, i in keys if weight > 0)]


def chances(weights: Sequence[float], shown: int) -> list[float]:
    """Each question's probability to be among the first `shown` of the queue; they sum to `shown`.

    min(1, shown · weight), where the excess of those at 1 is spread over the others in proportion to their weights.
    They depend on `shown`: keep the weights with the queue, and take the chances when the reviews are read. A question
    that was shown and not judged counts as shown.
    """
    w = np.asarray(weights, float)
    return [float(c) for c in _inclusion(w, min(shown, int((w > 0).sum())))]


def _inclusion(w: Array, shown: int) -> Array:
    found = np.zeros_like(w)
    certain = np.zeros(len(w), bool)
    while True:
        free = (w > 0) & ~certain
        found[certain] = 1.0
        if not free.any():
            return found
        found[free] = (shown - certain.sum()) * w[free] / w[free].sum()
        if not (found[free] > 1).any():
            return found
        certain |= found > 1
