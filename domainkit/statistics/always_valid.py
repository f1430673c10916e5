"""Evidence that holds whenever one looks: e-processes and confidence sequences for paired differences.

A fixed-size test that is checked after every 20 items is wrong three times as often as it claims. Here a bettor starts
with 1 and stakes a share λ of its capital on each difference d in [-1, 1]: capital Π(1 + λ·d). Without a true
difference no bettor's capital grows on average, so it ever reaches 1/α with probability at most α (Ville 1939), at
whatever item one stops (Ramdas, Grünwald, Vovk and Shafer 2023, Statistical Science 38:576). λ is spread over (-1, 1)
as Beta(a, a), a = 2. For wins and losses the average is closed:

    E = B(a + wins, a + losses) / B(a, a) · 2^(wins + losses)

For graded differences it is summed at nodes (Waudby-Smith and Ramdas 2024, JRSS B 86:1). The means m whose E(d - m)
stays under 1/α are a confidence sequence. The next item is asked first or last by chance alone, so items must come in
a random order.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import betaln, logsumexp, roots_jacobi

Array = np.ndarray
A = 2.0
NODES = 48
_STEPS = 26


def log_e(wins: Array | float, losses: Array | float, a: float = A) -> Array:
    """log E for wins and losses among the discordant pairs. Broadcasts."""
    wins, losses = np.asarray(wins, float), np.asarray(losses, float)
    return betaln(a + wins, a + losses) - betaln(a, a) + (wins + losses) * np.log(2)


def log_e_path(differences: Array, codes: Array | None = None) -> Array:
    """log E after each unit, in the order asked: items, or the clusters `codes` (0..G-1, in order of appearance).

    `differences` lie in [-1, 1]; a cluster's unit is the sum of its differences over the largest cluster's size.
    """
    sums, _ = _units(differences, codes)
    if not len(sums):
        return np.zeros(0)
    if np.isin(sums, (-1.0, 0.0, 1.0)).all():
        return log_e(np.cumsum(sums > 0), np.cumsum(sums < 0))
    stakes, weights = _prior()
    capital = np.cumsum(np.log1p(np.outer(sums, stakes)), 0)
    return logsumexp(capital + np.log(weights), axis=1)


def always_valid_p(differences: Array, codes: Array | None = None) -> float:
    """1 over the largest E so far, at most 1: under no difference it ever falls to α with probability at most α."""
    path = log_e_path(differences, codes)
    return float(np.exp(-max(path.max(initial=0.0), 0.0)))


def confidence_sequence(differences: Array, codes: Array | None, level: float) -> tuple[float, float]:
    """An interval for the mean difference that covers it at every item at once with probability `level`; n >= 1.

    All means m in [-1, 1] whose E, of d - m, is under 1/(1 - level); found by bisection from the observed mean, whose
    own E is at most 1, outwards.
    """
    sums, sizes = _units(differences, codes)
    (values, shares), counts = np.unique(np.stack([sums, sizes]), axis=1, return_counts=True)
    limit = -np.log(1 - level)
    observed = float(differences.mean())

    def inside(m: float) -> bool:
        return _log_e_of_mean(values, shares, counts, m) < limit

    ends = []
    for end in (-1.0, 1.0):
        near, far = observed, end
        for _ in range(_STEPS):
            middle = (near + far) / 2
            near, far = (middle, far) if inside(middle) else (near, middle)
        ends.append(far)
    return ends[0], ends[1]


def _log_e_of_mean(values: Array, shares: Array, counts: Array, m: float) -> float:
    """log E against a mean of m. A stake u becomes u/(1 ± m), so that no item takes more than the capital."""
    stakes, weights = _prior()
    scaled = np.where(stakes > 0, stakes / (1 + m) if m > -1 else 0.0, stakes / (1 - m) if m < 1 else 0.0)
    won = np.log1p(np.outer(scaled, values - m * shares))
    return float(logsumexp(won @ counts + np.log(weights)))


def _units(differences: Array, codes: Array | None) -> tuple[Array, Array]:
    """(sum, size) of each unit as shares of the largest, in order of appearance."""
    if codes is None:
        return differences, np.ones(len(differences))
    sizes = np.bincount(codes).astype(float)
    return np.bincount(codes, weights=differences) / sizes.max(), sizes / sizes.max()


@lru_cache(maxsize=1)
def _prior() -> tuple[Array, Array]:
    """Stakes in (-1, 1) and their weights: Gauss-Jacobi nodes of the density ∝ (1 - λ²)^(A-1)."""
    stakes, weights = roots_jacobi(NODES, A - 1, A - 1)
    return stakes, weights / weights.sum()
