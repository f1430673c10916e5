"""Prefix: the beginnings that prompts share, computed once: by newcomers together, and kept for those who come later."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from domainkit.models.memory import State

LEAST_SHARED = 16
"""Shorter beginnings are not worth keeping."""
LEAST_GAIN = 48
"""Tokens saved that pay for the extra pass over the weights which a shared beginning costs."""


@dataclass(slots=True)
class Kept:
    """A beginning's tokens and their state; any shorter beginning of it is usable too, since attention is causal."""

    tokens: np.ndarray
    state: State
    bytes: int


class PrefixCache:
    """Beginnings by owner (an adapter or the base), the least recently used dropped beyond `max_bytes`. Any thread may clear it."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: OrderedDict[tuple[Hashable, bytes], Kept] = OrderedDict()
        self._lock = threading.Lock()

    def longest(self, owner: Hashable, tokens: Sequence[int]) -> tuple[int, State | None]:
        """(n, state): the kept state of the first n of `tokens`, n as great as possible, 0 when too little is shared."""
        wanted = np.asarray(tokens, dtype=np.int64)
        best, best_key = 0, None
        with self._lock:
            for key, kept in self._kept.items():
                if key[0] == owner and (n := common(kept.tokens, wanted)) > best:
                    best, best_key = n, key
            if best_key is None or best < LEAST_SHARED:
                return 0, None
            self._kept.move_to_end(best_key)
            return best, self._kept[best_key].state

    def keep(self, owner: Hashable, tokens: Sequence[int], state: State) -> None:
        """Keep a beginning; shorter ones that it contains go."""
        new = np.asarray(tokens, dtype=np.int64)
        size = sum(k.numel() * k.element_size() + v.numel() * v.element_size() for k, v in state)
        if len(new) < LEAST_SHARED or size > self.max_bytes:
            return
        with self._lock:
            for key, kept in list(self._kept.items()):
                if key[0] == owner and common(kept.tokens, new) == len(kept.tokens):
                    self._drop(key)
            self._kept[owner, new.tobytes()] = Kept(new, state, size)
            self.bytes += size
            while self.bytes > self.max_bytes:
                self._drop(next(iter(self._kept)))

    def covers(self, owner: Hashable, tokens: Sequence[int]) -> bool:
        """Whether all of `tokens` are kept already."""
        new = np.asarray(tokens, dtype=np.int64)
        with self._lock:
            return any(key[0] == owner and common(kept.tokens, new) == len(new) for key, kept in self._kept.items())

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def _drop(self, key: tuple[Hashable, bytes]) -> None:
        self.bytes -= self._kept.pop(key).bytes


def common(a: np.ndarray, b: np.ndarray) -> int:
    """Length of the common beginning."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n


@dataclass(slots=True)
class Share:
    """Compute the first `upto` tokens in `leader` (who has the first `known` already), then hand them to `followers`."""

    leader: int
    followers: list[int]
    upto: int
    known: int = field(default=0)


def plan_sharing(
    prompts: Sequence[Sequence[int]], known: Sequence[int], limits: Sequence[int]
) -> Iterator[list[Share]]:
    """Rounds of shares among prompts, from the beginning common to most to those common to few.

    `known[i]` tokens of prompt i have their state already, at most `limits[i]` may be shared. Shares of one round are
    independent of one another; the caller updates `known` before asking for the next.
    """
    arrays = [np.asarray(p[:limit], dtype=np.int64) for p, limit in zip(prompts, limits, strict=True)]
    groups = [sorted(range(len(prompts)), key=lambda i: arrays[i].tolist())] if len(prompts) > 1 else []
    while groups:
        shares, smaller = [], []
        for group in groups:
            # In lexical order the first and the last have in common what all have.
            upto = common(arrays[group[0]], arrays[group[-1]])
            leader = max(group, key=lambda i: known[i])
            waiting = [i for i in group if i != leader and known[i] < upto]
            if sum(upto - max(known[i], 0) for i in waiting) >= LEAST_GAIN:
                shares.append(Share(leader, waiting, upto, known[leader]))
            smaller += [g for g in _split(group, arrays, upto) if len(g) > 1]
        if shares:
            yield shares
        groups = smaller


def _split(group: list[int], arrays: Sequence[np.ndarray], at: int) -> list[list[int]]:
    """The group by its members' token at `at`; those that end there are left out."""
    parts: dict[int, list[int]] = {}
    for i in group:
        if len(arrays[i]) > at:
            parts.setdefault(int(arrays[i][at]), []).append(i)
    return list(parts.values())
