"""Simulations of graded verdicts, of scores over fields, and of agreement. `judged_simulations.py` draws them."""

from __future__ import annotations

import numpy as np

from benchmarks.statistics.judged_draws import JUDGES, REVIEWS, answers, verdicts
from benchmarks.statistics.page import Rows
from domainkit.statistics.agreement import agreement
from domainkit.statistics.intervals import Array, estimate_corpus
from domainkit.statistics.judged import Judged, judged_difference
from domainkit.statistics.paired_corpus import paired_corpus


def graded(runs: int, seed: int = 24) -> Rows:
    """Graded verdicts: the mean of two experts who err in a tenth, and partial credit; with three judges."""
    rows: Rows = []
    for kind in ("two experts", "partial credit"):
        for name in ("90 % right", "hostile", "useless"):
            rng = np.random.default_rng(seed)
            for n in REVIEWS[:3]:
                covered, alone, winners = [], [], []
                for q, difference in ((0.1, 0.0), (0.1, 0.1), (0.3, 0.1)):
                    a, b = answers(rng, runs, q, difference)
                    told = JUDGES[name](rng, a, b)
                    h = told[0] * 1.0 - told[1]
                    d, truth = _grades(rng, kind, a, b, difference)
                    found = [_graded_ends(row, judge, n) for row, judge in zip(d, h, strict=True)]
                    covered.append(np.mean([x.low <= truth <= x.high for x, _ in found]))
                    alone.append(np.mean([x.low <= truth <= x.high for _, x in found]))
                    if difference == 0:
                        winners.append(np.mean([x.clear for x, _ in found]))
                rows.append(
                    {
                        "verdicts": kind,
                        "judge": name,
                        "reviews": n,
                        "alone": float(min(alone)),
                        "effective": float(min(covered)),
                        "winners": float(max(winners)),
                    }
                )
    return rows


def _grades(rng: np.random.Generator, kind: str, a: Array, b: Array, difference: float) -> tuple[Array, float]:
    """Graded differences and their true mean."""
    if kind == "partial credit":
        credit = rng.beta(2, 1, a.shape)
        return (a * 1.0 - b) * credit, difference * 2 / 3
    experts = [verdicts(rng, a, b, 0.9, 0.8) for _ in range(2)]
    return sum(x * 1.0 - y for x, y in experts) / 2, difference * 0.8


def _graded_ends(d: Array, h: Array, n: int) -> tuple[Judged, Judged]:
    reviews = [*d[:n].tolist(), *[None] * (len(d) - n)]
    return judged_difference(reviews, h.tolist()), judged_difference(reviews)


def micro_f1(sums: Array) -> Array:
    """Of counts (match, gold, answered)."""
    both = sums[..., 1] + sums[..., 2]
    return np.where(both > 0, 2 * sums[..., 0] / np.where(both > 0, both, 1), 0.0)


def documents(rng: np.random.Generator, n: int, alike: float, lost: float) -> tuple[Array, Array]:
    """Counts of two variants on n documents of 1 to 12 fields; hard documents are hard for both.

    A share `alike` of the documents is answered alike by both; in the others B finds `lost` fewer of the fields.
    """
    gold, easy, same = rng.integers(1, 13, n), rng.beta(1.3, 0.2, n), rng.random(n) < alike
    a, b = (_counts(rng, gold, np.clip(easy - less, 0, 1)) for less in (0.0, lost))
    return a, np.where(same[:, None], a, b)


def _counts(rng: np.random.Generator, gold: Array, found: Array) -> Array:
    match = rng.binomial(gold, found)
    answered = match + rng.binomial(gold - match, 0.6) + rng.binomial(2, 0.05, len(gold))
    return np.stack([match, gold, answered], 1).astype(float)


def extraction(runs: int, seed: int = 25) -> Rows:
    """Coverage of the paired interval of micro F1 over fields, of BCa alone, and of fields counted as independent."""
    rows: Rows = []
    for alike, lost in ((0.0, 0.0), (0.0, 0.15), (0.8, 0.0), (0.8, 0.15), (0.95, 0.15)):
        big_a, big_b = documents(np.random.default_rng(seed), 2_000_000, alike, lost)
        truth = 0.0 if lost == 0 else float(micro_f1(big_a.sum(0)) - micro_f1(big_b.sum(0)))
        rng = np.random.default_rng(seed + 1)
        for n in (25, 50, 100):
            found = [_extracted(*documents(rng, n, alike, lost), truth) for _ in range(runs)]
            covered, alone, fields, clear = (float(np.mean(column)) for column in zip(*found, strict=True))
            rows.append(
                {
                    "alike": alike,
                    "difference": truth,
                    "documents": n,
                    "covers": covered,
                    "bca": alone,
                    "fields": fields,
                    "winners": clear if truth == 0 else None,
                }
            )
    return rows


def _extracted(a: Array, b: Array, truth: float) -> tuple[bool, bool, bool, bool]:
    found = paired_corpus(a.tolist(), b.tolist(), micro_f1)
    both = np.concatenate([a, b], 1)
    alone = estimate_corpus(both.tolist(), lambda sums: np.asarray(micro_f1(sums[..., :3]) - micro_f1(sums[..., 3:])))
    one, other = (float(micro_f1(x.sum(0))) for x in (a, b))
    spread = one * (1 - one) / a[:, 1:].sum() * 2 + other * (1 - other) / b[:, 1:].sum() * 2
    return (
        found.low <= truth <= found.high,
        (alone.low or 0.0) <= truth <= (alone.high or 0.0),
        abs(found.value - truth) <= 1.96 * np.sqrt(spread),
        found.clear,
    )


def agreements(runs: int, seed: int = 26) -> Rows:
    """Coverage of the agreement of two people who are both right in `accuracy` of the answers."""
    rows: Rows = []
    for right, accuracy in ((0.5, 0.9), (0.85, 0.9), (0.9, 0.95), (0.6, 0.75)):
        wrong = accuracy * (1 - accuracy)
        p = np.array([right * accuracy**2 + (1 - right) * (1 - accuracy) ** 2, wrong, wrong, 0.0])
        p[3] = 1 - p.sum()
        observed, share = p[0] + p[3], p[0] + p[1]
        by_chance = (share**2 + (1 - share) ** 2, 2 * share * (1 - share))
        kappa, ac1 = ((observed - c) / (1 - c) for c in by_chance)
        rng = np.random.default_rng(seed)
        for n in (25, 100):
            hits = np.zeros(3)
            for _ in range(runs):
                drawn = np.repeat(np.arange(4), rng.multinomial(n, p))
                found = agreement((drawn < 2).tolist(), (drawn % 2 == 0).tolist())
                parts = zip((found.raw, found.kappa, found.ac1), (observed, kappa, ac1), strict=True)
                hits += [e.low is None or (e.low <= t <= (e.high or 0.0)) for e, t in parts]
            shares = (float(v) for v in hits / runs)
            names = ("kappa_is", "ac1_is", "raw", "kappa", "ac1")
            rows.append({"right": right, "answers": n, **dict(zip(names, (kappa, ac1, *shares), strict=True))})
    return rows
