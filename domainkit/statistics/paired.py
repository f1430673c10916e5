"""Paired differences: the same items answered by two variants, and what may be concluded from them.

Which test and interval, and why:
- 0/1 scores: McNemar's mid-p test (Fagerland, Lydersen, Laake 2013, BMC Med Res Methodol 13:91; its size is
  .046-.049 where the exact test has .029-.037) and Tango's score interval (1998, Statistics in Medicine 17:891). By
  enumeration of all tables, its coverage of .95 is at worst .943 for n = 20 to 500 while the loser wins a tenth of the
  disagreements, and falls to .942/.932/.927/.933 at n = 25/50/100/200 where all go one way; mean ± z·SE falls to .83.
  At 0 it is McNemar's own statistic, so interval and test agree.
- graded scores: sign-flip permutation test, exact up to 2^14 flips, else 9,999 seeded ones; the interval of one mean
  (stats).
- clustered: t with G - 1 degrees, never more certain than independent items would be (stats).
- raced: the size of the test was chosen by looking, so the p value and interval are those that allow it
  (always_valid).

Several variants: Holm over all of them, and each interval at the level of its own Holm step, so that it leaves out 0
exactly where the adjusted p is below alpha; where two methods differ slightly, the more cautious one decides.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from scipy.special import bdtr, ndtri, stdtr

from domainkit.results.schema import Difference, State
from domainkit.statistics.always_valid import always_valid_p, confidence_sequence
from domainkit.statistics.intervals import (
    GRADED,
    SEED,
    Array,
    clip,
    cluster_codes,
    clustered_error,
    clustered_interval,
    constant_interval,
    graded_interval,
    holm,
    spread,
)

FLIPS = 9_999
TIE = 1e-9
EXACT_FLIPS_UP_TO = 14
POWER = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Paired:
    """a_i - b_i in [-1, 1] for the items both have a score for; `codes` their clusters as 0..G-1; `p` two-sided.

    `sequential`: the items stand in the random order they were asked in, and someone looked in between.
    """

    differences: Array
    codes: Array | None
    p: float
    sequential: bool = False

    @property
    def n(self) -> int:
        return len(self.differences)

    @property
    def value(self) -> float:
        return float(self.differences.mean())

    @property
    def wins(self) -> int:
        return int((self.differences > TIE).sum())

    @property
    def losses(self) -> int:
        return int((self.differences < -TIE).sum())

    @property
    def binary(self) -> bool:
        return bool(np.isin(self.differences, (-1.0, 0.0, 1.0)).all())


def compare_paired(
    a: Sequence[float | None],
    b: Sequence[float | None],
    *,
    clusters: Sequence[Hashable] | None = None,
    sequential: bool = False,
) -> Paired:
    """Scores of two variants on the same items, in the same order; an item without both scores is left out.

    `sequential`: that order is the random one they were asked in, and the asking could have stopped at any item.
    Raises ValueError when the lengths differ.
    """
    if len(a) != len(b) or (clusters is not None and len(clusters) != len(a)):
        raise ValueError("paired scores and clusters must have one entry per item, in the same order")
    both = [(i, x - y) for i, (x, y) in enumerate(zip(a, b, strict=True)) if x is not None and y is not None]
    d = np.array([value for _, value in both], float)
    d[np.abs(d) < TIE] = 0.0
    codes = cluster_codes(clusters, [i for i, _ in both])
    return Paired(d, codes, always_valid_p(d, codes) if sequential else _p_value(d, codes), sequential)


def _p_value(d: Array, codes: Array | None) -> float:
    if not d.any():
        return 1.0
    if np.isin(d, (-1.0, 0.0, 1.0)).all():
        p = float(mcnemar_midp(int((d > 0).sum()), int((d < 0).sum())))
    else:
        p = sign_flip(d)
    if codes is None:
        return p
    groups, error = int(codes.max()) + 1, clustered_error(d, codes)
    if groups < 2:
        return 1.0  # one cluster cannot show that others would agree
    if error == 0:
        return max(p, sign_flip(np.bincount(codes, weights=d)))
    return max(p, float(2 * stdtr(groups - 1, -abs(d.mean()) / error)))


def mcnemar_midp(wins: Array | int, losses: Array | int) -> Array:
    """McNemar's mid-p value: the exact two-sided binomial p less the probability of the observed split. Broadcasts."""
    wins, losses = np.asarray(wins), np.asarray(losses)
    n, k = wins + losses, np.minimum(wins, losses)
    upto, before = bdtr(k.astype(float), n, 0.5), np.where(k > 0, bdtr(np.maximum(k - 1.0, 0), n, 0.5), 0.0)
    return np.minimum(upto + before, 1.0)


def sign_flip(d: Array, seed: int = SEED) -> float:
    """Two-sided permutation p for a mean of 0: how often random signs give a mean as far from 0 as the observed one.

    Ties (0) carry no sign. Exact over all 2^k signs for k <= 14 others; otherwise (1 + hits) / (1 + 9,999), never 0.
    """
    d = d[d != 0]
    if not len(d):
        return 1.0
    threshold = abs(d.sum()) - 1e-9 * np.abs(d).sum()
    if len(d) <= EXACT_FLIPS_UP_TO:
        patterns = np.arange(2 ** len(d))[:, None] >> np.arange(len(d)) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ d) >= threshold))
    rng = np.random.default_rng(seed)
    hits, step = 0, max(1, 4_000_000 // len(d))
    for start in range(0, FLIPS, step):
        signs = rng.integers(0, 2, size=(min(step, FLIPS - start), len(d)), dtype=np.int8)
        # sum(s·d) with s = ±1 is 2·(sum over the +1s) - sum(d)
        hits += int((np.abs(2 * (signs @ d) - d.sum()) >= threshold).sum())
    return (1 + hits) / (1 + FLIPS)


def tango_interval(wins: Array | int, losses: Array | int, n: Array | int, level: float = 0.95) -> tuple[Array, Array]:
    """Tango's score interval of (wins - losses) / n, by bisection of the score equation. Broadcasts; n >= 1."""
    b, c, n = (np.asarray(v, float) for v in (wins, losses, n))
    z = -ndtri((1 - level) / 2)
    observed = (b - c) / n

    def deviation(delta: Array) -> Array:
        """Standard deviation of wins - losses if their difference of shares were `delta`."""
        linear = -b - c + (2 * n - b + c) * delta
        lost = (np.sqrt(np.maximum(linear**2 + 8 * n * c * delta * (1 - delta), 0)) - linear) / (4 * n)
        return np.sqrt(np.maximum(n * (2 * lost + delta * (1 - delta)), 0))

    sign = np.array([-1.0, 1.0]).reshape(2, *(1,) * observed.ndim)  # the lower bound, then the upper
    inside = np.broadcast_to(observed, (2, *observed.shape)).copy()
    outside = np.broadcast_to(sign, inside.shape).copy()
    for _ in range(45):
        middle = (inside + outside) / 2
        accepted = np.abs(b - c - n * middle) <= z * deviation(middle)
        inside, outside = np.where(accepted, middle, inside), np.where(accepted, outside, middle)
    return inside[0], inside[1]


def paired_interval(pair: Paired, level: float) -> tuple[float, float, str]:
    """(low, high, method) for the mean difference; n >= 1."""
    if pair.sequential:
        return *confidence_sequence(pair.differences, pair.codes, level), "confidence sequence"
    low, high, method = _independent_interval(pair, level)
    if pair.codes is None:
        return low, high, method
    wide = clustered_interval(pair.differences, pair.codes, level, -1, 1)
    return min(low, wide[0]), max(high, wide[1]), f"Student's t over {int(pair.codes.max()) + 1} clusters"


def _independent_interval(pair: Paired, level: float) -> tuple[float, float, str]:
    d = pair.differences
    if pair.binary:
        low, high = tango_interval(pair.wins, pair.losses, pair.n, level)
        return float(low), float(high), "Tango score interval"
    if spread(d) == 0:
        return *constant_interval(pair.value, pair.n, level, -1, 1), "identical differences"
    return *clip(*graded_interval(d, level), -1, 1), GRADED


def adjust(pairs: Mapping[str, Paired], *, margin: float = 0.02, alpha: float = 0.05) -> dict[str, Difference | None]:
    """The verdict on each pair, with Holm's adjustment over all of them; None for a pair without items.

    `margin` is the difference that would not matter, as a fraction (0.02 = 2 points).
    """
    named = [name for name, pair in pairs.items() if pair.n]
    adjusted = dict(zip(named, holm([pairs[name].p for name in named]), strict=True))
    steps = _holm_steps([pairs[name].p for name in named], alpha)
    judged = {
        name: judge(pairs[name], adjusted[name], step, len(named), margin, alpha)
        for name, step in zip(named, steps, strict=True)
    }
    return {name: judged.get(name) for name in pairs}


def _holm_steps(p: Sequence[float], alpha: float) -> list[int]:
    """By how much Holm divides alpha for each hypothesis: m for the smallest p, then m - 1, … until one is kept.

    All after that keep its divisor. So an interval at level 1 - alpha/step leaves out 0 exactly for the rejected.
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    steps, step, open_ = [0] * len(p), len(p), True
    for i in order:
        steps[i] = step
        open_ = open_ and p[i] * step < alpha
        step -= open_
    return steps


def judge(pair: Paired, p_adjusted: float, step: int, family: int, margin: float, alpha: float) -> Difference:
    """One pair's verdict.

    EQUIVALENT: two one-sided tests (Schuirmann 1987) at alpha/step, i.e. the 1 - 2·alpha/step interval lies within
    ±margin; it comes first, since a difference that is surely inside the margin does not matter. BETTER or WORSE:
    adjusted p < alpha and the interval on that side of 0.
    """
    low, high, method = paired_interval(pair, 1 - alpha / step)
    if p_adjusted >= alpha:
        low, high = min(low, 0.0), max(high, 0.0)
    state: State = "CANNOT TELL YET"
    if _equivalent(pair, margin, alpha / step):
        state = "EQUIVALENT"
    elif p_adjusted < alpha and low > 0:
        state = "BETTER"
    elif p_adjusted < alpha and high < 0:
        state = "WORSE"
    return Difference(
        value=pair.value,
        low=low,
        high=high,
        n=pair.n,
        wins=pair.wins,
        ties=pair.n - pair.wins - pair.losses,
        losses=pair.losses,
        p=pair.p,
        p_adjusted=p_adjusted,
        state=state,
        margin=margin,
        needed=items_needed(pair, margin, alpha / step) if state == "CANNOT TELL YET" else None,
        method=_method(pair, method, step, family, alpha),
    )


def _equivalent(pair: Paired, margin: float, alpha: float) -> bool:
    if abs(pair.value) >= margin:
        return False
    low, high, _ = paired_interval(pair, 1 - 2 * alpha)
    return -margin < low and high < margin


def _method(pair: Paired, interval: str, step: int, family: int, alpha: float) -> str:
    unclustered = "McNemar mid-p" if pair.binary else "sign-flip permutation"
    test = "e-process" if pair.sequential else unclustered if pair.codes is None else "clustered t test"
    level = f"{100 * (1 - alpha / step):.3g} %"
    return f"paired by item; {interval} at {level} and {test}; Holm over {family} comparison{'s' * (family > 1)}"


def items_needed(pair: Paired, margin: float, alpha: float, power: float = POWER) -> int | None:
    """Items in all that would decide the difference with `power`, if the true difference is the observed one; None if
    no number would.

    The smaller of two numbers: to show a difference, n = [z_{alpha/2}·√V + z_power·√(V - d²)]² / d² with V = mean of
    squared differences (for 0/1 the discordant share: Connor 1987, Biometrics 43:207); to show equivalence, n =
    [(z_alpha + z_{1 - (1 - power)/2}) / (margin - |d|)]²·(V - d²).
    """
    d = abs(pair.value)
    # Two items are added, of which one disagrees: a sample of n without a disagreement does not mean that none exists.
    squares = float((np.square(pair.differences).sum() + 1) / (pair.n + 2))
    variance = max(squares - d**2, 1 / (pair.n + 2) ** 2)
    sizes = []
    if d > TIE:
        sizes.append((-ndtri(alpha / 2) * sqrt(squares) + ndtri(power) * sqrt(variance)) ** 2 / d**2)
    if margin - d > TIE:
        sizes.append(((-ndtri(alpha) + ndtri((1 + power) / 2)) / (margin - d)) ** 2 * variance)
    if not sizes:
        return None
    return max(ceil(min(sizes) * design_effect(pair)), pair.n + 1)


def design_effect(pair: Paired) -> float:
    """Variance of the mean with clusters over that without, at least 1."""
    independent = spread(pair.differences) / sqrt(pair.n)
    if pair.codes is None or independent == 0:
        return 1.0
    return max(1.0, (clustered_error(pair.differences, pair.codes) / independent) ** 2)
