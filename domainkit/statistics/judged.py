"""The difference of two variants by people's judgement, made more precise by a judge: Tango on effective labels.

People reviewed a random sample of the questions, a judge (a language model) scored all of them. The judge is a control
variate: what it says of the reviewed questions, less what it says of all, shifts the estimate by a slope λ. Its worth
is turned into an effective number of reviews, and Tango's score interval (`paired`) is taken on the effective counts.
With a useless judge this is Tango on the reviews alone.

- λ is a ridge slope with four phantom reviews (judge ±1, truth equal), held to [0, 1]: without them two disagreements
  and two lucky verdicts look like a perfect judge (Eyre and Madras, ICML 2025, arXiv 2411.12665). A judge that seems to
  say the contrary is not used in reverse: among few reviews such a sign is luck as often as not.
- Effective counts (Korn and Graubard 1998, Survey Methodology 24:193): a normal or t interval on prediction-powered
  estimates (PPI++, arXiv 2311.01453) knows nothing of disagreements that no review has met. Its simulated coverage of
  .95 is .76 at 25 reviews; `docs/statistics.md` has the table.
- Questions may be reviewed with unequal chances (`review_queue`): weights 1/chance and the two-phase variance. Clusters
  divide the effective number by a design effect, never below 1.
- Where both answers are identical the difference is known to be 0 without a review: such questions are a stratum.

Questions count as a sample of all that could be asked, as everywhere in `statistics`. The judge, its prompt and the
mapping to scores must have been fixed before the reviews, and no reviewed question may be one of its examples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtri, stdtrit

from domainkit.results.people import WORTH_SAYING
from domainkit.statistics.intervals import Array, clip, cluster_codes, graded_interval
from domainkit.statistics.paired import TIE, tango_interval

PHANTOMS = 4.0
JUDGE_FROM = 10
"""Reviews from which the judge is used at all."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The difference A - B of two variants by people's judgement, a fraction in [-1, 1], and what it rests on."""

    estimate: float
    low: float
    high: float
    level: float
    p: float
    """Two-sided: McNemar's mid-p on the effective counts."""
    n: int
    """Reviewed questions."""
    n_eff: float
    """Random reviews without a judge that would say as much."""
    n_alone: float
    """The same for these reviews without the judge: `n` if all chances are alike, no clusters, no identical answers."""
    r2: float
    """Share of the reviews' variance that the judge explains; 0 where it was not used."""

    @property
    def judge_adds(self) -> bool:
        return self.n_eff >= WORTH_SAYING * self.n_alone

    @property
    def clear(self) -> bool:
        """Whether one of the two has won: interval and test both say so."""
        return (self.low > 0 or self.high < 0) and self.p < 1 - self.level


@dataclass(frozen=True, slots=True, eq=False)
class Reviews:
    """Arrays (…, N) over the N questions of a comparison. Leading axes are comparisons of their own."""

    d: Array
    """right(A) - right(B) by people; 0 where not reviewed."""
    h: Array
    """judge(A) - judge(B)."""
    reviewed: Array
    """Booleans."""
    chances: Array | None = None
    """Inclusion probabilities of the reviewed; None: all alike."""
    codes: Array | None = None
    """Clusters of the questions as 0..G-1, (N,)."""
    differs: Array | None = None
    """Booleans: the questions whose answers are not identical; None: all."""


@dataclass(frozen=True, slots=True, eq=False)
class Effective:
    """What reviews come to, shape (…)."""

    estimate: Array
    squares: Array
    """Mean of squared differences; of 0/1 verdicts the share of questions on which the variants differ."""
    n: Array
    """Effective number of reviews."""
    r2: Array
    values: Array
    """(…, N): at the reviewed questions, numbers whose mean has the error that the reviews leave to the estimate."""
    error: Array
    """Standard error of the estimate."""
    df: Array

    @property
    def counts(self) -> tuple[Array, Array]:
        """Effective wins and losses of A."""
        squares = np.clip(self.squares, np.abs(self.estimate), 1)
        return self.n * (squares + self.estimate) / 2, self.n * (squares - self.estimate) / 2


def judged_difference(
    d: Sequence[float | None],
    h: Sequence[float] | None = None,
    *,
    chances: Sequence[float] | None = None,
    clusters: Sequence[Hashable] | None = None,
    identical: Sequence[bool] | None = None,
    level: float = 0.95,
) -> Judged:
    """The difference by people's judgement. Every sequence has one entry per question, in the same order.

    `d`: right(A) - right(B) in [-1, 1], None where nobody judged; graded if it is the mean of several people. `h`:
    judge(A) - judge(B) in [-1, 1], 0 where the judge gave none. `chances`: of being reviewed, as `review_queue` gives
    them; None: all alike. `identical`: where both answers are the same, d = 0 without a review.
    Raises ValueError for lengths that differ, values out of range, and where nobody reviewed anything.
    """
    reviews = _checked(d, h, chances, clusters, identical)
    with_judge, alone = effective(reviews, level), effective(reviews, level, judge=False)
    wins, losses = with_judge.counts
    low, high = (float(end) for end in tango_interval(wins, losses, with_judge.n, level))
    reviewed = reviews.d[reviews.reviewed]
    if not np.isin(reviewed, (-1.0, 0.0, 1.0)).all():
        wide = _graded(with_judge, reviews.reviewed, level)
        low, high = min(low, wide[0]), max(high, wide[1])
    return Judged(
        estimate=float(with_judge.estimate),
        low=low,
        high=high,
        level=level,
        p=float(midp(wins, losses)),
        n=len(reviewed),
        n_eff=float(with_judge.n),
        n_alone=float(alone.n),
        r2=float(with_judge.r2),
    )


def effective(r: Reviews, level: float = 0.95, *, judge: bool = True) -> Effective:
    """Estimate and effective number of reviews, for one comparison or many at once (leading axes)."""
    found = _differing(r, judge)
    n, total, share = _sum(r.reviewed), r.d.shape[-1], found.pool / r.d.shape[-1]
    spread = share * found.squares - (share * found.mean) ** 2
    # Both strata: what the reviews leave open, and the share of questions whose answers differ.
    variance = share**2 * found.variance / found.labels + found.mean**2 * share * (1 - share) / total
    known = found.variance > TIE
    strata = np.where(known, spread / np.where(known, variance, 1), found.labels / share)
    labels = np.where(share < 1, np.minimum(strata, total), found.labels)
    corrected, df = (found.slope > 0) | (r.chances is not None) | (r.codes is not None), n - 2
    if r.codes is not None:
        groups, inflation = _design_effect(found.influence(r, share), r.reviewed, r.codes)
        labels, df = labels / inflation, np.minimum(df, groups - 1)
    error = np.sqrt(np.where(known, spread, 0) / labels * n / np.maximum(n - 1, 1))
    tail = (1 - level) / 2
    as_t = np.where(df >= 1, labels * (ndtri(tail) / stdtrit(np.maximum(df, 1), tail)) ** 2, 1)
    labels = np.where(corrected, np.maximum(as_t, 1), labels)
    df = np.where(corrected, df, n - 1)
    return Effective(
        estimate=np.clip(share * (found.mean + found.shift), -1, 1)[..., 0],
        squares=(share * found.squares)[..., 0],
        n=labels[..., 0],
        r2=found.r2[..., 0],
        values=share * (n * found.residuals if r.chances is not None else r.d - found.slope * r.h),
        error=error[..., 0],
        df=df[..., 0],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Differing:
    """What the reviews say of the questions whose answers differ; arrays (…, 1), but for the residuals."""

    pool: Array
    mean: Array
    """Of the reviews alone; `shift` is what the judge adds."""
    shift: Array
    squares: Array
    variance: Array
    labels: Array
    slope: Array
    r2: Array
    residuals: Array
    """Weight times residual of each review, (…, N)."""
    judge_mean: Array
    """Over all questions whose answers differ."""

    def influence(self, r: Reviews, share: Array) -> Array:
        """Each question's part of the estimate's error, (…, N)."""
        differs = _differs(r)
        of_judge = self.slope * (r.h - self.judge_mean) * differs / self.pool
        return share * (self.residuals + of_judge) + self.mean * (differs - share) / r.d.shape[-1]


def _differs(r: Reviews) -> Array:
    return np.ones_like(r.reviewed) if r.differs is None else r.differs


def _differing(r: Reviews, judge: bool) -> _Differing:
    differs = _differs(r)
    n, pool = _sum(r.reviewed), _sum(differs)
    w = r.reviewed * 1.0 if r.chances is None else r.reviewed / r.chances
    w = w / _sum(w)
    mean, h_mean, judge_mean = _sum(w * r.d), _sum(w * r.h), _sum(differs * r.h) / pool
    d, h = (r.d - mean) * r.reviewed, (r.h - h_mean) * r.reviewed
    variance = _sum(w * d**2)
    known = variance > TIE
    slope = np.clip(_sum(w * d * h) / (_sum(w * h**2) + PHANTOMS / n), 0, 1)
    slope = slope * (known & (n >= JUDGE_FROM) & (n < pool) & judge)
    r2 = np.where(known, 1 - _sum(w * (d - slope * h) ** 2) / np.where(known, variance, 1), 0)
    if r.chances is None:
        adjusted = np.maximum(1 - (1 - r2) * (n - 1) / np.maximum(n - 2, 1), 0)
        slope, r2 = slope * (adjusted > 0), r2 * (adjusted > 0)
        labels = n / (1 - adjusted * (1 - n / pool))
    else:
        two_phase = n / np.maximum(n - 2, 1) * _sum((1 - r.chances) * (w * (d - slope * h)) ** 2)
        by_variance = np.minimum(variance / np.where(known, variance / pool + two_phase, 1), pool)
        labels = np.where(known, by_variance, 1 / _sum(w**2))
    shift = slope * (judge_mean - h_mean)
    residuals = w * (d - slope * h)
    return _Differing(pool, mean, shift, _sum(w * r.d**2), variance, labels, slope, r2, residuals, judge_mean)


def _sum(x: Array) -> Array:
    return x.sum(-1, keepdims=True)


def _design_effect(parts: Array, reviewed: Array, codes: Array) -> tuple[Array, Array]:
    """(clusters with a review, by how much clusters inflate the variance), (…, 1) each."""
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
    groups, squares = _sum((reviewed @ member) > 0), _sum(parts**2)
    ratio = _sum((parts @ member) ** 2) / np.where(squares > 0, squares, 1)
    return groups, np.maximum(1, groups / np.maximum(groups - 1, 1) * ratio)


def midp(wins: Array | float, losses: Array | float) -> Array:
    """`mcnemar_midp` of counts that need not be whole, by the regularised incomplete beta function. Broadcasts."""
    wins, losses = np.asarray(wins, float), np.asarray(losses, float)
    n, k = wins + losses, np.minimum(wins, losses)
    some = np.where(n > 0, n, 1)
    upto = betainc(np.where(n > 0, n - k, 1), k + 1, 0.5)
    before = np.where(k > 0, betainc(some - k + 1, np.where(k > 0, k, 1), 0.5), 0)
    return np.where(n > 0, np.minimum(upto + before, 1), 1.0)


def _graded(found: Effective, reviewed: Array, level: float) -> tuple[float, float]:
    """The graded interval of the values, stretched to the estimate's error, which knows of all questions."""
    x, estimate, n = found.values[reviewed], float(found.estimate), int(reviewed.sum())
    if n < 2 or found.df < 1 or found.error < TIE or x.std() < TIE:
        return estimate, estimate  # Tango on the effective counts allows for what was not seen
    tail = (1 - level) / 2
    stretch = float(found.error / (x.std(ddof=1) / np.sqrt(n)) * stdtrit(found.df, tail) / stdtrit(n - 1, tail))
    low, high = graded_interval(x, level)
    return clip(estimate + stretch * (low - x.mean()), estimate + stretch * (high - x.mean()), -1, 1)


def _checked(
    d: Sequence[float | None],
    h: Sequence[float] | None,
    chances: Sequence[float] | None,
    clusters: Sequence[Hashable] | None,
    identical: Sequence[bool] | None,
) -> Reviews:
    n = len(d)
    if any(given is not None and len(given) != n for given in (h, chances, clusters, identical)):
        raise ValueError("differences, judge, chances, clusters and identical must have one entry per question")
    reviewed = np.array([v is not None for v in d], bool)
    same = np.zeros(n, bool) if identical is None else np.asarray(identical, bool)
    values, judge = np.array([v or 0 for v in d], float), np.zeros(n) if h is None else np.asarray(h, float)
    if not (np.abs(values) <= 1 + TIE).all() or not (np.abs(judge) <= 1 + TIE).all():
        raise ValueError("differences of people and of the judge must lie in [-1, 1]")
    if values[same].any():
        raise ValueError("identical answers cannot differ in what they are worth")
    values[np.abs(values) < TIE] = 0.0
    reviewed = reviewed & ~same
    if not reviewed.any():
        raise ValueError("no question with two different answers was reviewed")
    sampled = None if chances is None else np.where(reviewed, np.asarray(chances, float), 1.0)
    if sampled is not None:
        if not ((sampled > 0) & (sampled <= 1 + TIE)).all():
            raise ValueError("the chance of a question to be reviewed must lie in (0, 1]")
        if np.ptp(sampled[reviewed]) < TIE:
            sampled = None
    return Reviews(values, judge, reviewed, sampled, cluster_codes(clusters, range(n)), ~same if same.any() else None)
