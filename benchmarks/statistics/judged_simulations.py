"""Simulations of results by people's judgement: python -m benchmarks.statistics.judged_simulations [--only NAME …]

What the reviews, the judge and the review queue promise is drawn where the truth is known. Writes
benchmarks/results/judged_simulations.json and the tables of docs/statistics.md; one core, some minutes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from benchmarks.runs import RESULTS, save
from benchmarks.statistics.judged_draws import (
    ALPHA,
    JUDGES,
    QUESTIONS,
    REVIEWS,
    TRUTHS,
    answers,
    covers,
    ends,
    false_winners,
    first,
    verdicts,
)
from benchmarks.statistics.judged_scores import agreements, extraction, graded
from benchmarks.statistics.page import PAGE, Rows, filled
from benchmarks.statistics.review_orders import queues
from domainkit.statistics.intervals import Array
from domainkit.statistics.judged import Reviews, effective
from domainkit.statistics.paired import tango_interval


def published(d: Array, h: Array, n: int) -> tuple[Array, Array]:
    """PPI++ as published (Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453): tuned slope, normal interval."""
    reviewed, others = slice(0, n), slice(n, None)
    x, y, unseen = h[:, reviewed], d[:, reviewed], h[:, others]
    m = unseen.shape[1]
    covariance = ((x - x.mean(1, keepdims=True)) * (y - y.mean(1, keepdims=True))).mean(1)
    variance = np.concatenate([x, unseen], 1).var(1)
    slope = np.clip(covariance / np.where(variance > 0, (1 + n / m) * variance, 1), 0, 1)
    value = y.mean(1) + slope * (unseen.mean(1) - x.mean(1))
    error = np.sqrt((y - slope[:, None] * x).var(1) / n + slope**2 * unseen.var(1) / m)
    half = -ndtri(ALPHA / 2) * error
    return value - half, value + half


def judged(runs: int, seed: int = 20) -> Rows:
    """Worst coverage over all truths, the most false winners, and what the reviews are worth, by judge and reviews."""
    rows: Rows = []
    for name, judge in JUDGES.items():
        rng = np.random.default_rng(seed)
        found: dict[int, list[dict[str, float]]] = {n: [] for n in REVIEWS}
        for q, truth in TRUTHS:
            a, b = answers(rng, runs, q, truth)
            told = judge(rng, a, b)
            d, h = a * 1.0 - b, told[0] * 1.0 - told[1]
            for n in REVIEWS:
                found[n].append(cell(d, h, n, truth) | {"q": q, "truth": truth})
        for n, cells in found.items():
            equal = [c["winners"] for c in cells if c["truth"] == 0]
            rows.append(
                {
                    "judge": name,
                    "reviews": n,
                    **{k: min(c[k] for c in cells) for k in ("alone", "published", "effective")},
                    "winners": max(equal),
                    "worth": round(next(c["worth"] for c in cells if (c["q"], c["truth"]) == (0.2, 0.0))),
                }
            )
    return rows


def cell(d: Array, h: Array, n: int, truth: float) -> dict[str, float]:
    low, high, p = ends(effective(Reviews(d * first(n, d), h, first(n, d))))
    seen = d[:, :n]
    alone = tango_interval((seen > 0).sum(1), (seen < 0).sum(1), n)
    narrower = ((high - low) / (alone[1] - alone[0])).mean()
    return {
        "alone": covers(*alone, truth),
        "published": covers(*published(d, h, n), truth),
        "effective": covers(low, high, truth),
        "winners": float((((low > 0) | (high < 0)) & (p < ALPHA)).mean()),
        "worth": float(n / narrower**2),
    }


def clustered(runs: int, seed: int = 21) -> Rows:
    """Five questions from each document; half of the luck and of the judge's errors is theirs."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(QUESTIONS // 5), 5)
    rows: Rows = []
    for n in REVIEWS:
        cells = []
        for whole in (False, True):
            for q, truth in ((0.2, 0.0), (0.2, 0.06), (0.4, 0.0), (0.4, 0.2)):
                own, shared = answers(rng, runs, q, truth), answers(rng, runs, q, truth, QUESTIONS // 5)
                together = rng.random((runs, QUESTIONS)) < 0.5
                a, b = (np.where(together, np.repeat(s, 5, 1), o) for o, s in zip(own, shared, strict=True))
                errors = [np.repeat(rng.random((runs, QUESTIONS // 5)) < 0.1, 5, 1) for _ in "ab"]
                fresh = [rng.random((runs, QUESTIONS)) < 0.1 for _ in "ab"]
                wrong = [np.where(rng.random(a.shape) < 0.5, e, f) for e, f in zip(errors, fresh, strict=True)]
                d, h = a * 1.0 - b, (a ^ wrong[0]) * 1.0 - (b ^ wrong[1])
                reviewed = first(n, d) if whole else rng.permuted(first(n, d), axis=1)
                counted = ends(effective(Reviews(d * reviewed, h, reviewed, codes=codes)))
                ignored = ends(effective(Reviews(d * reviewed, h, reviewed)))
                cells.append(
                    [whole, truth, covers(*counted[:2], truth), covers(*ignored[:2], truth), false_winners(counted)]
                )
        for whole in (False, True):
            mine = [c for c in cells if c[0] == whole]
            rows.append(
                {
                    "reviewed": "whole documents" if whole else "random questions",
                    "reviews": n,
                    "ignored": min(c[3] for c in mine),
                    "clustered": min(c[2] for c in mine),
                    "winners": max(c[4] for c in mine if c[1] == 0),
                }
            )
    return sorted(rows, key=lambda row: str(row["reviewed"]))


def identical(runs: int, seed: int = 22) -> Rows:
    """A share of the questions has two identical answers; a judge that is right in 90 % of the others."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for share in (0.3, 0.6):
        for n in REVIEWS[:3]:
            covered, width, winners = [], [], []
            for q, truth in ((0.1, 0.0), (0.1, 0.06), (0.2, 0.0), (0.2, 0.06), (0.2, 0.2)):
                differs = rng.random((runs, QUESTIONS)) >= share
                a, b = answers(rng, runs, q / (1 - share), truth / (1 - share))
                b = np.where(differs, b, a)
                told = verdicts(rng, a, b, 0.9)
                d, h = a * 1.0 - b, told[0] * 1.0 - told[1]
                reviewed = differs & (np.cumsum(differs, 1) <= n)
                low, high, p = ends(effective(Reviews(d * reviewed, h, reviewed, differs=differs)))
                covered.append(covers(low, high, truth))
                alone = tango_interval((d[:, :n] > 0).sum(1), (d[:, :n] < 0).sum(1), n)
                width.append(((high - low) / (alone[1] - alone[0])).mean())
                if truth == 0:
                    winners.append(false_winners((low, high, p)))
            rows.append(
                {
                    "share": share,
                    "reviews": n,
                    "covers": min(covered),
                    "winners": max(winners),
                    "width": float(np.mean(width)),
                }
            )
    return rows


SIMULATIONS: dict[str, tuple[Callable[[int], Rows], int]] = {
    "judged": (judged, 2_000),
    "judged_clusters": (clustered, 2_000),
    "judged_identical": (identical, 2_000),
    "review_queue": (queues, 500),
    "judged_graded": (graded, 200),
    "extraction": (extraction, 300),
    "agreement": (agreements, 200),
}
"""Each simulation with how often it is drawn for the page."""


def keep(name: str, rows: Rows, times: int) -> None:
    """One table into the file of results, beside the others."""
    path = RESULTS / "judged_simulations.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": {}, "tables": {}}
    save(
        "judged_simulations",
        {"runs": kept["runs"] | {name: times}, "tables": kept["tables"] | {name: rows}},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=SIMULATIONS, help="draw these again and keep the others")
    args = parser.parse_args()
    for name, (simulate, times) in SIMULATIONS.items():
        if args.only is None or name in args.only:
            print(f"{name}: {times:,} draws", flush=True)
            keep(name, simulate(times), times)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
