"""Prefix cache: states of prompts' first tokens, kept for later prompts that begin with the same tokens."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from domainkit.models.memory import KVState

MIN_PREFIX = 16
"""Shorter prefixes are not worth the memory."""


@dataclass(slots=True)
class CachedPrefix:
    tokens: np.ndarray  # int64 [tokens]
    state: KVState
    """Of the adapter's virtual tokens, then of `tokens`."""
    bytes: int


class PrefixCache:
    """Prefixes of at most `max_bytes`. The least recently used go first. Any thread may clear it.

    A state depends on the adapter, so each prefix has an owner: the adapter's name, or what else its bits depend on.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._prefixes: OrderedDict[tuple[Hashable, bytes], CachedPrefix] = OrderedDict()
        self._lock = threading.Lock()

    def longest(self, owner: Hashable, tokens: list[int]) -> tuple[int, KVState | None]:
        """(n, state): a state that starts with the first n of `tokens`, n the largest; (0, None) below MIN_PREFIX."""
        prompt = np.asarray(tokens, dtype=np.int64)
        best, best_key = 0, None
        with self._lock:
            # A part of a prefix is a prefix too, because attention is causal. The search is linear: comparing some
            # hundred arrays takes far less than the pass that a hit saves.
            for key, prefix in self._prefixes.items():
                if key[0] == owner and (n := common_length(prefix.tokens, prompt)) > best:
                    best, best_key = n, key
            if best_key is None or best < MIN_PREFIX:
                return 0, None
            self._prefixes.move_to_end(best_key)
            return best, self._prefixes[best_key].state

    def insert(self, owner: Hashable, tokens: list[int], state: KVState) -> None:
        """Keep a prefix; shorter ones that it begins with are dropped."""
        new = np.asarray(tokens, dtype=np.int64)
        size = sum(k.numel() * k.element_size() + v.numel() * v.element_size() for k, v in state)
        if len(new) < MIN_PREFIX or size > self.max_bytes:  # it would drive out all others and not fit either
            return
        with self._lock:
            # Whoever would have used a shorter one finds the same tokens in the new one.
            for key, prefix in list(self._prefixes.items()):
                if key[0] == owner and common_length(prefix.tokens, new) == len(prefix.tokens):
                    self._drop(key)
            self._prefixes[owner, new.tobytes()] = CachedPrefix(new, state, size)
            self.bytes += size
            while self.bytes > self.max_bytes:  # the first is the least recently used
                self._drop(next(iter(self._prefixes)))

    def covers(self, owner: Hashable, tokens: list[int]) -> bool:
        """Whether a prefix begins with all of `tokens`."""
        new = np.asarray(tokens, dtype=np.int64)
        with self._lock:
            prefixes = self._prefixes.items()
            return any(key[0] == owner and common_length(p.tokens, new) == len(new) for key, p in prefixes)

    def clear(self) -> None:
        with self._lock:
            self._prefixes.clear()
            self.bytes = 0

    def __len__(self) -> int:
        return len(self._prefixes)

    def _drop(self, key: tuple[Hashable, bytes]) -> None:
        self.bytes -= self._prefixes.pop(key).bytes


def common_length(a: np.ndarray, b: np.ndarray) -> int:
    """Number of first tokens that are equal."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n
