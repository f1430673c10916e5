"""Simulations of the order in which people are shown the questions. `judged_simulations.py` draws them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from benchmarks.statistics.judged_draws import answers, covers, ends, false_winners
from benchmarks.statistics.page import Cell, Rows
from domainkit.statistics.intervals import Array
from domainkit.statistics.judged import Reviews, effective
from domainkit.statistics.paired import tango_interval
from domainkit.statistics.review_queue import chances, weights

PROBABILITIES = {"good": 3.3, "weak": 1.0, "useless": 0.0, "hostile": 3.3}
"""Distance, in standard deviations, of a judge's scores of right and of wrong answers."""


def probabilities(rng: np.random.Generator, right: Array, judge: str, shift: float = 0.0) -> Array:
    """The judge's probability that an answer is right; useless: as sure as the good one, of nothing."""
    apart = PROBABILITIES[judge]
    score = rng.normal(size=right.shape) + np.where(right, apart / 2, -apart / 2) + shift
    return expit((apart or 1.0) * score)


Design = Callable[[Array, Array], Array]
"""Judge's probabilities of A and of B to the weights of the questions, (N,) each."""
DESIGNS: dict[str, Design] = {
    "uniform": lambda a, b: np.full(len(a), 1 / len(a)),
    "the queue": lambda a, b: np.array(weights([False] * len(a), a.tolist(), b.tolist())),
    "no uniform half": lambda a, b: _share(np.sqrt(a * (1 - b) + b * (1 - a))),
    "by the judge's doubt": lambda a, b: _share(np.sqrt(a * (1 - a) + b * (1 - b))),
}


def _share(x: Array) -> Array:
    return x / x.sum()


def queues(runs: int, seed: int = 23) -> Rows:
    """50 reviews of 500 in different orders, counted with their chances and, the wrong way, as a plain mean."""
    designs = [*DESIGNS, "most disputed first"]
    results: dict[str, list[dict[str, Cell]]] = {name: [] for name in designs}
    for judge in PROBABILITIES:
        for q, truth in ((0.1, 0.0), (0.1, 0.06), (0.2, 0.0), (0.2, 0.2)):
            rng = np.random.default_rng(seed)
            a, b = answers(rng, runs, q, truth)
            s_a = probabilities(rng, a, judge, 0.5 if judge == "hostile" else 0.0)
            s_b = probabilities(rng, b, judge)
            alone = tango_interval((a & ~b)[:, :50].sum(1), (b & ~a)[:, :50].sum(1), 50)
            for name in designs:
                found = _by_design(rng, name, a * 1.0 - b, s_a, s_b)
                width = ((found["high"] - found["low"]) / (alone[1] - alone[0])).mean()
                results[name].append(
                    {
                        "judge": judge,
                        "truth": truth,
                        "width": float(width) if q == 0.2 and truth == 0 else None,
                        "covers": covers(found["low"], found["high"], truth),
                        "plain": covers(found["plain_low"], found["plain_high"], truth),
                        "mean": float(found["mean"].mean()),
                        "winners": false_winners((found["low"], found["high"], found["p"])) if truth == 0 else 0.0,
                    }
                )
    return [_queue_row(name, cells) for name, cells in results.items()]


def _queue_row(name: str, cells: list[dict[str, Cell]]) -> dict[str, Cell]:
    numbers = {k: [float(c[k] or 0) for c in cells] for k in ("covers", "plain", "winners")}
    by_judge = {str(c["judge"]): c["width"] for c in cells if c["width"] is not None}
    sampled = name in DESIGNS
    return {
        "order": name,
        **{f"width_{judge}": by_judge[judge] if sampled else None for judge in PROBABILITIES},
        "covers": min(numbers["covers"]) if sampled else None,
        "winners": max(numbers["winners"]) if sampled else None,
        "plain": min(numbers["plain"]),
        "mean": max((float(c["mean"] or 0) for c in cells if c["truth"] == 0.2), key=lambda m: abs(m - 0.2)),
    }


def _by_design(rng: np.random.Generator, name: str, d: Array, s_a: Array, s_b: Array, n: int = 50) -> dict[str, Array]:
    if name in DESIGNS:
        w = np.array([DESIGNS[name](x, y) for x, y in zip(s_a, s_b, strict=True)])
        keys = rng.random(d.shape) / w
        pi = np.array([chances(row, n) for row in w.tolist()])
    else:
        keys, pi = -(s_a * (1 - s_b) + s_b * (1 - s_a)), np.ones_like(d)
    reviewed = np.zeros(d.shape, bool)
    np.put_along_axis(reviewed, np.argpartition(keys, n, axis=1)[:, :n], True, axis=1)
    found = Reviews(d * reviewed, s_a - s_b, reviewed, None if name == "uniform" else np.where(reviewed, pi, 1.0))
    low, high, p = ends(effective(found))
    wins, losses = ((d * reviewed) > 0).sum(1), ((d * reviewed) < 0).sum(1)
    plain = tango_interval(wins, losses, n)
    return {
        "low": low,
        "high": high,
        "p": p,
        "plain_low": plain[0],
        "plain_high": plain[1],
        "mean": (wins - losses) / n,
    }
