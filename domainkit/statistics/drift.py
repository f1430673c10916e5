"""Drift: have shares changed since they were measured? An e-process that may be looked at at any time.

A series counts, among conversations, those with a mark: a label, a long answer, no passage. Its reference is x0 marked
of n0. For a rise, with p_U the upper Clopper-Pearson bound of x0/n0:

    L_a = (p_a/p_U)^x · ((1 − p_a)/(1 − p_U))^(n − x)   for n new, x marked;  p_a = p_U + (1 − p_U)·a, a in ALTERNATIVES
    S_a ← (S_a + w)·L_a,  w = counted/HORIZON;      E = mean_a S_a + the weights not yet spent

Where no share rose above its bound, E is a supermartingale that starts at 1: bets on every start and alternative, and
the rest kept as cash. So it ever reaches 2/alpha with probability at most alpha/2 (Ville 1939), whatever the number of
conversations and whenever one looks; the bounds miss the true shares with probability at most alpha/2. A fall is the
rise of the unmarked. The average of several E is one too, under any dependence (Vovk and Wang 2021, Annals of
Statistics 49:1736); a series' weight in it is also its part of the bounds' alpha/2. Without the weights w the sums are
Shiryaev-Roberts e-detectors (Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532), which bound the average run length only.

After HORIZON conversations all weights are spent: bets and cash begin anew, and so does alpha. What is kept is the
state alone: for each series and direction a few numbers, no conversation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

Array = np.ndarray
ALPHA = 0.05
"""Chance of a false alarm within HORIZON conversations."""
ALTERNATIVES = np.array([0.02, 0.04, 0.08, 0.15, 0.3])
HORIZON = 5_000
CAP = 1e12
"""Bets are not counted beyond: they overflow long after the alarm."""
LARGEST = 600.0
"""Of a log gain: exp of it times CAP is still a number."""
RISE, FALL = 0, 1


def upper_bound(marked: Array, n: Array, level: Array | float) -> Array:
    """Clopper-Pearson upper bound of a share at one-sided error `level` (1934, Biometrika 26:404). Broadcasts.

    Counts need not be whole: clustered references have an effective number (Korn and Graubard 1998).
    """
    marked, n = np.asarray(marked, float), np.asarray(n, float)
    inside = (n > 0) & (marked < n)
    a, b = np.where(inside, marked + 1, 1.0), np.where(inside, n - marked, 1.0)
    return np.where(inside, betaincinv(a, b, 1 - np.asarray(level, float)), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Per series and direction the largest share that is still compatible with the reference; arrays (…, series, 2)."""

    shares: Array
    weights: Array
    """Per series; they sum to 1."""
    log_marked: Array
    """log p_a/p_U, with the alternatives as last axis; 0 where nothing can rise."""
    log_unmarked: Array
    """log (1 − p_a)/(1 − p_U)."""

    @classmethod
    def of(cls, marked: Array, n: Array, weights: Array | None = None, alpha: float = ALPHA) -> Bounds:
        """From reference counts, one per series (the last axis); leading axes are independent repetitions."""
        marked, n = np.broadcast_arrays(np.asarray(marked, float), np.asarray(n, float))
        weights = np.full(marked.shape[-1], 1 / marked.shape[-1]) if weights is None else np.asarray(weights, float)
        both = np.stack([marked, n - marked], -1)
        shares = upper_bound(both, n[..., None], alpha / 4 * weights[:, None])
        p = shares[..., None]
        free = p < 1 - 1e-9
        safe = np.where(free, p, 0.5)
        log_marked = np.where(free, np.log((safe + (1 - safe) * ALTERNATIVES) / safe), 0.0)
        return cls(shares, weights, log_marked, np.where(free, np.log1p(-ALTERNATIVES), 0.0))


@dataclass(slots=True, eq=False)
class Bets:
    """The state: what has been won so far. Arrays (…, series, 2, alternatives)."""

    sums: Array
    """S_a."""
    runs: Array
    """log L_a summed since it was last at most 0 (Page's CUSUM): where it began is the likeliest start of a change."""
    since: Array
    """The count of conversations at that beginning."""
    seen: Array
    """Conversations with a value since then;"""
    marked: Array
    """and with the mark."""
    counted: int = 0
    """Conversations so far."""
    spent: int = 0
    """Of them, since bets and cash began anew."""
    renewals: int = 0

    @classmethod
    def none_yet(cls, *shape: int) -> Bets:
        """No bet made; `shape` is (…, series)."""
        size = (*shape, 2, len(ALTERNATIVES))
        zeros = [np.zeros(size) for _ in range(5)]
        return cls(zeros[0], zeros[1], zeros[2], zeros[3], zeros[4])

    def add(self, bounds: Bounds, n: Array, marked: Array, conversations: int) -> None:
        """Count `conversations` more, of which `n` (…, series) had a value for the series and `marked` its mark."""
        if self.spent >= HORIZON:
            self.sums = np.zeros_like(self.sums)
            self.spent, self.renewals = 0, self.renewals + 1
        n, marked = np.broadcast_arrays(np.asarray(n, float), np.asarray(marked, float))
        both = np.stack([marked, n - marked], -1)[..., None]
        gain = both * bounds.log_marked + (n[..., None, None] - both) * bounds.log_unmarked
        weight = min(conversations, HORIZON - self.spent) / HORIZON
        self.sums = np.minimum((self.sums + weight) * np.exp(np.clip(gain, -LARGEST, LARGEST)), CAP)
        self.spent += conversations
        self.counted += conversations
        self.runs = np.maximum(self.runs + gain, 0.0)
        on = self.runs > 0
        self.since = np.where(on, self.since, self.counted)
        self.seen = np.where(on, self.seen + n[..., None, None], 0.0)
        self.marked = np.where(on, self.marked + marked[..., None, None], 0.0)

    def values(self) -> Array:
        """E of each series and direction, (…, series, 2)."""
        return self.sums.mean(-1) + max(0.0, 1 - self.spent / HORIZON)

    def value(self, bounds: Bounds) -> Array:
        """The average E over series and directions, (…)."""
        return (self.values().mean(-1) * bounds.weights).sum(-1)

    def change_of(self, series: int, direction: int) -> tuple[int, int, int]:
        """(conversations before the change of one series began, those with a value since, and those with the mark), as
        the best bet has it."""
        place = (series, direction, int(self.runs[series, direction].argmax()))
        return int(self.since[place]), int(self.seen[place]), int(self.marked[place])


def alarm_at(alpha: float = ALPHA) -> float:
    """The average E at which a change is reported."""
    return 2 / alpha


__all__ = ["ALPHA", "ALTERNATIVES", "FALL", "HORIZON", "RISE", "Bets", "Bounds", "alarm_at", "upper_bound"]
