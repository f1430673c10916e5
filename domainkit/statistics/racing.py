"""Racing: all variants answer the same questions block by block, and one that is clearly worse than another stops
being asked.

Every pair of variants keeps an e-process (always_valid). After each block Holm over all pairs at α decides which
differences are clear: with probability at least 1 - α no variant is ever called worse than one it equals, whenever the
race stops. The declared baseline is always asked, since the report's differences are taken against it. The oracle is
always asked too. No user can reach it, so it never removes a variant. The race ends when every pair that is still
running is decided.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

import numpy as np

from domainkit.results.schema import Race, RacedOut
from domainkit.statistics.always_valid import always_valid_p
from domainkit.statistics.intervals import cluster_codes, holm

ALPHA = 0.05
BLOCK = 20
"""Questions between two looks."""

S = TypeVar("S")
"""A question."""
A = TypeVar("A")
"""An answer."""


def race_order(n: int, seed: int, clusters: Sequence[Hashable] | None = None) -> list[int]:
    """Positions 0..n-1 in random order, the items of one cluster together."""
    rng = random.Random(f"race {seed}")
    groups: dict[Hashable, list[int]] = {}
    for i in range(n):
        groups.setdefault(i if clusters is None else clusters[i], []).append(i)
    members = list(groups.values())
    rng.shuffle(members)
    for group in members:
        rng.shuffle(group)
    return [i for group in members for i in group]


def race_blocks(order: Sequence[int], size: int, clusters: Sequence[Hashable] | None = None) -> Iterator[list[int]]:
    """`order` in blocks of at least `size` positions; no cluster is split."""
    block: list[int] = []
    for position, i in enumerate(order):
        block.append(i)
        last = position + 1 == len(order)
        if last or (len(block) >= size and (clusters is None or clusters[order[position + 1]] != clusters[i])):
            yield block
            block = []


@dataclass
class RaceState:
    """The state of a race: `add` a block's scores, then `active` are asked next, until the race is `over`."""

    names: Sequence[str]
    baseline: str
    bounds: Collection[str] = ()
    """Oracles: asked like the others, but in no pair."""
    alpha: float = ALPHA
    out: dict[str, RacedOut] = field(default_factory=dict)
    """The variants that were dropped."""
    asked: int = 0
    """Questions so far."""
    _scores: dict[str, list[float | None]] = field(default_factory=dict)
    _clusters: list[Hashable] = field(default_factory=list)
    _p: dict[tuple[str, str], float] = field(default_factory=dict)
    """The smallest p value of each pair over all looks so far."""
    _sign: dict[tuple[str, str], float] = field(default_factory=dict)
    """The sum of the pair's differences at that look: positive where the first is better."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every two variants that could be chosen."""
        return list(combinations([name for name in self.names if name not in self.bounds], 2))

    @property
    def active(self) -> list[str]:
        return [name for name in self.names if name not in self.out]

    @property
    def over(self) -> bool:
        """Every pair still running is decided. A variant that never had a rival is asked everything, and one without
        any score, which has failed so far, keeps no race open."""
        clear = self._clear()
        running = {name for name in self.active if any(s is not None for s in self._scores.get(name, ()))}
        return (
            self.asked > 0
            and len(self.pairs) > 0
            and all(pair in clear for pair in self.pairs if running.issuperset(pair))
        )

    def add(self, scores: Mapping[str, Sequence[float | None]], clusters: Sequence[Hashable] | None = None) -> None:
        """One block: the primary metric of each active variant on the same questions. Drops those now clearly worse."""
        running = self.active
        size = len(scores[running[0]])
        for name in running:
            self._scores.setdefault(name, []).extend(scores[name])
        self._clusters.extend(clusters or ())
        self.asked += size
        for a, b in self.pairs:
            if a not in self.out and b not in self.out:
                self._compare(a, b)
        self._drop()

    def _compare(self, a: str, b: str) -> None:
        d = np.array(self._scores[a], float) - np.array(self._scores[b], float)
        both = np.flatnonzero(~np.isnan(d))
        if not len(both):
            return
        d = np.where(np.abs(d[both]) < 1e-9, 0.0, d[both])
        codes = cluster_codes(self._clusters, both.tolist()) if self._clusters else None
        p = always_valid_p(d, codes)
        # A clear difference stays clear: the smallest p value of all looks so far counts.
        if p < self._p.get((a, b), 1.0):
            self._p[a, b], self._sign[a, b] = p, float(d.sum())

    def _clear(self) -> set[tuple[str, str]]:
        pairs = self.pairs
        adjusted = holm([self._p.get(pair, 1.0) for pair in pairs])
        return {pair for pair, p in zip(pairs, adjusted, strict=True) if p <= self.alpha}

    def _drop(self) -> None:
        worse: dict[str, list[str]] = {}
        for a, b in sorted(self._clear(), key=lambda pair: self._p[pair]):
            loser, winner = (b, a) if self._sign[a, b] > 0 else (a, b)
            if loser not in self.out and winner not in self.out:
                worse.setdefault(loser, []).append(winner)
        for loser, winners in worse.items():
            if loser != self.baseline:
                better = next((w for w in winners if w not in worse), winners[0])
                self.out[loser] = RacedOut(answered=self.asked, better=better)

    def record(self, seed: int, n: int, block: int) -> Race:
        """The race over `n` questions, for the results file."""
        answers = sum(self.out[name].answered if name in self.out else self.asked for name in self.names)
        return Race(
            alpha=self.alpha,
            block=block,
            seed=seed,
            questions=self.asked,
            of=n,
            answers=answers,
            of_answers=n * len(self.names),
            out=dict(self.out),
        )


def run_race(
    race: RaceState,
    samples: Sequence[S],
    ask: Callable[[str, Sequence[S]], list[A]],
    score: Callable[[Sequence[S], Sequence[A]], Sequence[float | None]],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    block: int = BLOCK,
) -> tuple[list[int], dict[str, list[A | None]], Race]:
    """Ask block by block until the race is over or no question is left.

    Returns the positions asked, in the order asked; each variant's rows in that order, None from where it dropped out;
    and the race's record. The order is drawn from `seed` alone and every decision follows from the rows, so a killed
    race runs the same again.
    """
    order: list[int] = []
    rows: dict[str, list[A | None]] = {name: [] for name in race.names}
    for positions in race_blocks(race_order(len(samples), seed, clusters), block, clusters):
        if race.over:
            break
        block_samples = [samples[i] for i in positions]
        scores = {}
        for name in race.names:
            if name in race.out:
                rows[name].extend([None] * len(block_samples))
                continue
            block_rows = ask(name, block_samples)
            rows[name].extend(block_rows)
            scores[name] = score(block_samples, block_rows)
        order += positions
        race.add(scores, [clusters[i] for i in positions] if clusters is not None else None)
    return order, rows, race.record(seed, len(samples), block)
