"""Paired differences of a score of the whole set, such as the micro F1 over all fields of all documents.

Such a score is not a mean over items, so there is no difference per item to test. The unit is the document: its counts
(of fields: matched, expected, answered) stay together, and both variants are resampled by the same documents. Counting
fields as independent would take the fields of one document for that many documents.

- interval: the outer ends of the BCa bootstrap and of Student's t on the jackknife's influence of each document, with
  as many degrees of freedom as documents on which the variants differ. Where they differ on few documents, BCa alone
  covers .52 to .91 of .95 (`docs/statistics.md`), and t with one degree less than there are documents .86.
- test: the counts of the two variants change sides in each document by chance; p is the share of such exchanges whose
  difference is as large as the observed one. Exact up to 2^14 exchanges, else 9,999 seeded ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from domainkit.statistics.intervals import SEED, Array, clip, cluster_codes, constant_interval, estimate_corpus
from domainkit.statistics.paired import EXACT_FLIPS_UP_TO, FLIPS


@dataclass(frozen=True, slots=True)
class PairedCorpus:
    """The difference A - B of a corpus score over `n` items, with its interval and two-sided p value."""

    value: float
    low: float
    high: float
    level: float
    p: float
    n: int
    units: int
    """Items, or clusters of them."""

    @property
    def clear(self) -> bool:
        return (self.low > 0 or self.high < 0) and self.p < 1 - self.level


def paired_corpus(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    value: Callable[[Array], Array],
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> PairedCorpus:
    """The difference of two variants' corpus score on the same items, in the same order.

    `a` and `b`: one row of k counts per item; `value`: sums (..., k) to scores in [0, 1] (...), as in a `CorpusMetric`.
    A single unit gives the whole range as interval. Raises ValueError when the lengths differ or there are no items.
    """
    if len(a) != len(b) or not len(a) or (clusters is not None and len(clusters) != len(a)):
        raise ValueError("counts of two variants and clusters must have one entry per item, in the same order")
    rows = np.stack([np.asarray(a, float), np.asarray(b, float)], 1)  # items × variants × counts
    codes = cluster_codes(clusters, range(len(rows)))
    if codes is not None:
        sums = np.zeros((int(codes.max()) + 1, *rows.shape[1:]))
        np.add.at(sums, codes, rows)
        rows = sums
    low, high = _interval(rows, value, level)
    total = rows.sum(0)
    point = float(value(total[0]) - value(total[1]))
    return PairedCorpus(point, min(low, point), max(high, point), level, exchange_p(rows, value), len(a), len(rows))


def _interval(rows: Array, value: Callable[[Array], Array], level: float) -> tuple[float, float]:
    units, _, k = rows.shape
    if units < 2:
        return -1.0, 1.0

    def difference(sums: Array) -> Array:
        return np.asarray(value(sums[..., :k]) - value(sums[..., k:]))

    flat = rows.reshape(units, 2 * k)
    point, without = float(difference(flat.sum(0))), difference(flat.sum(0) - flat)
    error = float(np.sqrt((units - 1) / units * np.square(without - without.mean()).sum()))
    if error < 1e-9:
        return constant_interval(point, units, level, -1, 1)
    differing = int((rows[:, 0] != rows[:, 1]).any(1).sum())
    half = -stdtrit(min(max(differing, 1), units - 1), (1 - level) / 2) * error
    found = estimate_corpus(flat.tolist(), difference, level=level)
    ends = [end for end in (found.low, found.high) if end is not None]
    return clip(min(point - half, *ends), max(point + half, *ends), -1, 1)


def exchange_p(rows: Array, value: Callable[[Array], Array], seed: int = SEED) -> float:
    """Two-sided permutation p for equal variants; `rows` are units × 2 variants × counts."""
    total, gap = rows.sum(0), rows[:, 1] - rows[:, 0]
    gap = gap[gap.any(1)]
    observed = abs(float(value(total[0]) - value(total[1])))
    if not len(gap) or observed == 0:
        return 1.0

    def extreme(exchanged: Array) -> Array:
        moved = exchanged @ gap
        return np.abs(value(total[0] + moved) - value(total[1] - moved)) >= observed - 1e-12

    if len(gap) <= EXACT_FLIPS_UP_TO:
        return float(extreme((np.arange(2 ** len(gap))[:, None] >> np.arange(len(gap)) & 1).astype(float)).mean())
    rng = np.random.default_rng(seed)
    hits, step = 0, max(1, 4_000_000 // len(gap))
    for start in range(0, FLIPS, step):
        hits += int(extreme(rng.integers(0, 2, (min(step, FLIPS - start), len(gap))).astype(float)).sum())
    return (1 + hits) / (1 + FLIPS)
