"""Reviewed answers and a judge of them, drawn where the truth is known. `judged_simulations.py` counts what follows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domainkit.statistics.intervals import Array
from domainkit.statistics.judged import Effective, midp
from domainkit.statistics.paired import tango_interval

ALPHA, QUESTIONS = 0.05, 500
REVIEWS = (25, 50, 100, 200)
TRUTHS = [(q, t) for q in (0.06, 0.1, 0.2, 0.4) for t in (0.0, 0.06, 0.2, 0.35) if t <= q]
"""(share of questions on which the variants differ, true difference)."""


def answers(
    rng: np.random.Generator, runs: int, q: float, difference: float, n: int = QUESTIONS
) -> tuple[Array, Array]:
    """Whether A's and B's answers are right, (runs, n) each; 60 % of the questions they agree on are right."""
    u, both = rng.random((runs, n)), rng.random((runs, n)) < 0.6
    a, b = u < (q + difference) / 2, u > 1 - (q - difference) / 2
    return np.where(a | b, a, both), np.where(a | b, b, both)


def verdicts(rng: np.random.Generator, a: Array, b: Array, accuracy: float, alike: float = 0.0) -> tuple[Array, Array]:
    """A judge that is right about each answer with probability `accuracy`; a share `alike` of the pairs of equally
    right answers gets the same verdict twice."""
    wrong_a, wrong_b = rng.random(a.shape) > accuracy, rng.random(a.shape) > accuracy
    wrong_b = np.where((a == b) & (rng.random(a.shape) < alike), wrong_a, wrong_b)
    return a ^ wrong_a, b ^ wrong_b


def _hostile(rng: np.random.Generator, a: Array, b: Array) -> tuple[Array, Array]:
    """Good, but every tenth answer of A is called right whatever it is."""
    told_a, told_b = verdicts(rng, a, b, 0.9)
    return told_a | (rng.random(a.shape) < 0.1), told_b


Judge = Callable[[np.random.Generator, Array, Array], tuple[Array, Array]]
JUDGES: dict[str, Judge] = {
    "98 % right": lambda rng, a, b: verdicts(rng, a, b, 0.98),
    "90 % right, alike answers alike": lambda rng, a, b: verdicts(rng, a, b, 0.9, 0.7),
    "90 % right": lambda rng, a, b: verdicts(rng, a, b, 0.9),
    "hostile": _hostile,
    "70 % right": lambda rng, a, b: verdicts(rng, a, b, 0.7),
    "useless": lambda rng, a, b: verdicts(rng, a, b, 0.5),
}


def first(n: int, like: Array) -> Array:
    """The first n questions reviewed: questions are drawn alike, so they are a random sample."""
    return np.broadcast_to(np.arange(like.shape[-1]) < n, like.shape)


def ends(found: Effective) -> tuple[Array, Array, Array]:
    wins, losses = found.counts
    return *tango_interval(wins, losses, found.n), midp(wins, losses)


def covers(low: Array, high: Array, truth: float) -> float:
    return float(((low <= truth + 1e-9) & (truth - 1e-9 <= high)).mean())


def false_winners(found: tuple[Array, Array, Array]) -> float:
    low, high, p = found
    return float((((low > 0) | (high < 0)) & (p < ALPHA)).mean())
