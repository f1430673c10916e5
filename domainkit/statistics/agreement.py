"""Agreement of two people over the same answers, and of a judge with people.

- raw agreement, sensitivity, specificity: Wilson's interval; with unequal chances of review or clusters, on the
  effective number of answers (Kish; Korn and Graubard 1998, Survey Methodology 24:193), as in `judged`.
- Cohen's kappa (1960, Educational and Psychological Measurement 20:37) and Gwet's AC1 (2008, British Journal of
  Mathematical and Statistical Psychology 61:29): the outer ends of the BCa bootstrap of answers (or clusters) and of
  Wilson's interval of the raw agreement, the agreement by chance held. Alone, at 25 answers, the first covers .87 of
  .95 (no disagreement seen: no width) and the second .92. Where nearly all answers are right kappa is near 0 though the
  two hardly ever disagree; AC1 is not.

Reviews of a queue that prefers disputed questions must bring their chances: unweighted, every figure here would be that
of disputed questions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from domainkit.results.schema import Estimate
from domainkit.statistics.intervals import Array, cluster_codes, estimate_corpus, wilson

METHOD = "Wilson's interval of the raw agreement and BCa bootstrap, outer ends"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two raters who say "right" or "wrong" of the same answers."""

    n: int
    raw: Estimate
    kappa: Estimate
    ac1: Estimate


@dataclass(frozen=True, slots=True)
class JudgeAgreement:
    """Of a judge with people, whose word counts as the truth."""

    n: int
    raw: Estimate
    kappa: Estimate
    sensitivity: Estimate
    """Of the answers that people call right, the share that the judge calls right."""
    specificity: Estimate
    """Of the answers that people call wrong, the share that the judge calls wrong."""


def agreement(
    first: Sequence[bool | None],
    second: Sequence[bool | None],
    *,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Agreement:
    """Two people's verdicts of the same answers, in the same order; those that one of them did not judge are left out.

    Raises ValueError when the lengths differ.
    """
    both = _Both.of(first, second, None, clusters, level)
    return Agreement(
        len(both.a),
        both.share(both.a == both.b),
        both.beyond_chance(kappa, kappa_chance),
        both.beyond_chance(ac1, ac1_chance),
    )


def judge_agreement(
    people: Sequence[bool | None],
    judge: Sequence[bool | None],
    *,
    chances: Sequence[float] | None = None,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> JudgeAgreement:
    """People's and the judge's verdicts of the same answers; `chances` of their questions to be reviewed.

    Several answers to one question are a cluster. Raises ValueError when the lengths differ.
    """
    both = _Both.of(people, judge, chances, clusters, level)
    return JudgeAgreement(
        n=len(both.a),
        raw=both.share(both.a == both.b),
        kappa=both.beyond_chance(kappa, kappa_chance),
        sensitivity=both.share(both.b, both.a, "no answer is right in people's eyes"),
        specificity=both.share(~both.b, ~both.a, "no answer is wrong in people's eyes"),
    )


def kappa(cells: Array) -> Array:
    """Cohen's kappa of sums (…, 4): both right, first only, second only, both wrong; 0 where chance explains all."""
    return _beyond(cells, kappa_chance(cells))


def ac1(cells: Array) -> Array:
    """Gwet's AC1 of the same sums."""
    return _beyond(cells, ac1_chance(cells))


def kappa_chance(cells: Array) -> Array:
    """Agreement by chance if each rater keeps to the own share of "right"."""
    _, first, second = _margins(cells)
    return first * second + (1 - first) * (1 - second)


def ac1_chance(cells: Array) -> Array:
    """Agreement by chance if both now and then guess; at most one half."""
    _, first, second = _margins(cells)
    share = (first + second) / 2
    return 2 * share * (1 - share)


def _beyond(cells: Array, chance: Array) -> Array:
    some = chance < 1 - 1e-12
    return np.where(some, (_margins(cells)[0] - chance) / np.where(some, 1 - chance, 1), 0.0)


def _margins(cells: Array) -> tuple[Array, Array, Array]:
    total = np.where(cells.sum(-1) > 0, cells.sum(-1), 1)
    shares = cells / total[..., None]
    return shares[..., 0] + shares[..., 3], shares[..., 0] + shares[..., 1], shares[..., 0] + shares[..., 2]


@dataclass(frozen=True, slots=True, eq=False)
class _Both:
    """Two raters' verdicts of the answers that both judged."""

    a: Array
    b: Array
    weights: Array
    codes: Array | None
    level: float

    @classmethod
    def of(
        cls,
        first: Sequence[bool | None],
        second: Sequence[bool | None],
        chances: Sequence[float] | None,
        clusters: Sequence[Hashable] | None,
        level: float,
    ) -> _Both:
        if any(given is not None and len(given) != len(first) for given in (second, chances, clusters)):
            raise ValueError("verdicts, chances and clusters must have one entry per answer, in the same order")
        items = [i for i, pair in enumerate(zip(first, second, strict=True)) if None not in pair]
        a, b = (np.array([bool(given[i]) for i in items], bool) for given in (first, second))
        weights = np.ones(len(items)) if chances is None else 1 / np.array([chances[i] for i in items], float)
        return cls(a, b, weights, cluster_codes(clusters, items), level)

    def share(self, hits: Array, among: Array | None = None, none: str = "no answer was judged by both") -> Estimate:
        """The weighted share of `hits` among the answers `among`."""
        kept = np.ones(len(hits), bool) if among is None else among
        x, w = hits[kept].astype(float), self.weights[kept]
        if not len(x):
            return Estimate(value=None, level=self.level, reason=none)
        p = float((w * x).sum() / w.sum())
        n = self._effective(p, w / w.sum() * (x - p), w, None if self.codes is None else self.codes[kept])
        low, high = wilson(p * n, n, self.level)
        method = "Wilson score interval" + " on the effective number of answers" * (n != len(x))
        return Estimate(value=p, low=float(low), high=float(high), n=len(x), level=self.level, method=method)

    def _effective(self, p: float, parts: Array, w: Array, codes: Array | None) -> float:
        """The number of answers drawn alike and alone whose share would be as sure; at least 1."""
        n, squares = len(w), float(np.square(parts).sum())
        if codes is None and np.ptp(w) < 1e-9:
            return float(n)
        groups = n if codes is None else len(set(codes.tolist()))
        if groups < 2:
            return 1.0
        found = float(w.sum() ** 2 / np.square(w).sum())
        if squares > 0:
            found = p * (1 - p) / (n / (n - 1) * squares)
        if codes is not None:
            sums = float(np.square(np.bincount(codes, parts)).sum())
            found = min(found, groups) if squares == 0 else found / max(1.0, groups / (groups - 1) * sums / squares)
        tail = (1 - self.level) / 2
        return max(1.0, float(found * (ndtri(tail) / stdtrit(groups - 1, tail)) ** 2))

    def beyond_chance(self, value: Callable[[Array], Array], by_chance: Callable[[Array], Array]) -> Estimate:
        """Kappa or AC1: (agreement - that by chance) / (1 - that by chance)."""
        raw = self.share(self.a == self.b)
        if raw.low is None or raw.high is None:
            return raw
        cells = np.stack([self.a & self.b, self.a & ~self.b, ~self.a & self.b, ~self.a & ~self.b], 1)
        counts = cells * self.weights[:, None]
        chance = float(by_chance(counts.sum(0)))
        if chance > 1 - 1e-12:
            return Estimate(value=None, n=raw.n, level=self.level, reason="both say the same of every answer")
        clusters = None if self.codes is None else self.codes.tolist()
        found = estimate_corpus(counts.tolist(), value, clusters=clusters, level=self.level)
        low, high = (raw.low - chance) / (1 - chance), (raw.high - chance) / (1 - chance)
        if found.low is not None and found.high is not None:
            low, high = min(low, found.low), max(high, found.high)
        return found.model_copy(update={"low": max(low, -1.0), "high": min(high, 1.0), "method": METHOD, "reason": ""})
