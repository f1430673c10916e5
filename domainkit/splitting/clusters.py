"""Rows that must stay on one side of a split: near-duplicates, and what shares a document or a group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from domainkit.corpus.example import Example
from domainkit.similarity.texts import near_pairs, shared_run_pairs
from domainkit.text.words import fold


class Clusters:
    """Positions 0..n-1, joined step by step (union-find)."""

    def __init__(self, count: int) -> None:
        self._leader = list(range(count))

    def find(self, i: int) -> int:
        """The position that stands for the cluster of `i`."""
        leader = self._leader
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put both positions of each pair into one cluster."""
        for i, j in pairs:
            a, b = self.find(i), self.find(j)
            self._leader[max(a, b)] = min(a, b)

    def join_equal(self, keys: Iterable[tuple[int, object]]) -> None:
        """Put positions with an equal key into one cluster; a position may come with several keys."""
        first: dict[object, int] = {}
        self.join((first.setdefault(key, i), i) for i, key in keys)

    def members(self) -> list[list[int]]:
        """The clusters, each with its positions in order."""
        joined: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._leader)):
            joined[self.find(i)].append(i)
        return list(joined.values())


def asked(example: Example) -> str:
    """What an example asks: its question, of a conversation all turns but the system's and the last."""
    return "\n".join(turn.content for turn in example.prompt if turn.role != "system")


def near_duplicates(texts: Sequence[str]) -> Clusters:
    """Texts joined where one would be a leak if the other were learnt: by the levels exact, ngram and near of the
    leakage check (`domainkit.verdict.leakage`). Memory grows with the number of texts, not with its square."""
    folded = [fold(text) for text in texts]
    clusters = Clusters(len(texts))
    clusters.join_equal((i, text) for i, text in enumerate(folded) if text)
    # Of equal texts one is compared with the others.
    first = [i for i in range(len(texts)) if clusters.find(i) == i and folded[i]]
    words = [folded[i].split() for i in first]
    clusters.join((first[i], first[j]) for i, j, _ in near_pairs(words))
    clusters.join((first[i], first[j]) for i, j in shared_run_pairs(words))
    return clusters
