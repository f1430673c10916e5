"""Rows that ask nearly the same: copies, and contradictions where the targets differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from domainkit.corpus.read_files import BAD, GOOD
from domainkit.similarity.texts import near_pairs
from domainkit.splitting.clusters import Clusters
from domainkit.text.words import fold

_LONG, _ALIKE = 4, 0.75
"""A word of this many letters is another one's spelling when difflib's ratio reaches this."""


class Copy(NamedTuple):
    """A row that asks what an earlier row asks, with the same target."""

    row: int
    earlier: int
    differing: tuple[str, ...] | None
    """Words of one of the two questions alone; None where both are the same word for word."""


class Contradiction(NamedTuple):
    """A row whose target differs from that of rows with the same question."""

    row: int
    other: int
    differing: tuple[str, ...] | None
    """As of a Copy."""
    majority: str
    """The target that most of these rows have, "" where none has most."""
    share: float
    """Of these rows, those that have it."""


def alike(questions: Sequence[str]) -> Clusters:
    """Questions joined that are the same or nearly so in their characters, and have the same numbers."""
    folded = [fold(q) for q in questions]
    clusters = Clusters(len(questions))
    clusters.join_equal((i, text) for i, text in enumerate(folded) if text)
    first = [i for i in range(len(questions)) if clusters.find(i) == i and folded[i]]
    clusters.join((first[i], first[j]) for i, j, _ in near_pairs([folded[i].split() for i in first]))
    return clusters


def differing_words(a: str, b: str) -> tuple[str, ...] | None:
    """Words that one of two questions has alone and that are no other spelling of a word of the other; None where the
    questions are the same. Two diseases of one name, type II and type III, differ in such a word."""
    if fold(a) == fold(b):
        return None
    left, right = dict.fromkeys(fold(a).split()), dict.fromkeys(fold(b).split())
    only_left = [w for w in left if w not in right]
    only_right = [w for w in right if w not in left]
    return (*_strange(only_left, only_right), *_strange(only_right, only_left))


def _strange(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """The words that are spelt like none of the others."""
    return [w for w in words if len(w) < _LONG or not get_close_matches(w, others, n=1, cutoff=_ALIKE)]


def copies(clusters: Clusters, questions: Sequence[str], targets: Sequence[str]) -> Iterator[Copy]:
    """Each row with an earlier one of its cluster that has the same target."""
    for members in clusters.members():
        first: dict[str, int] = {}
        for i in members if len(members) > 1 else ():
            earlier = first.setdefault(fold(targets[i]), i)
            if earlier != i:
                yield Copy(i, earlier, differing_words(questions[i], questions[earlier]))


def contradictions(
    clusters: Clusters, questions: Sequence[str], targets: Sequence[str], *, labels: bool
) -> Iterator[Contradiction]:
    """Rows of a cluster whose target is not that of most of them; where none has most, all but the first. Free answers
    are compared only where the questions are the same: nearly the same may well be two."""
    for members in clusters.members():
        groups = [members] if labels else list(_same(members, questions))
        for group in groups:
            counts = Counter(fold(targets[i]) for i in group)
            if len(counts) < 2:
                continue
            (best, most), *_ = counts.most_common(1)
            majority = best if 2 * most > len(group) else ""
            kept = next(i for i in group if not majority or fold(targets[i]) == majority)
            for i in group:
                if fold(targets[i]) != fold(targets[kept]):
                    words = differing_words(questions[i], questions[kept])
                    yield Contradiction(i, kept, words, targets[kept] if majority else "", most / len(group))


def _same(members: Sequence[int], questions: Sequence[str]) -> Iterator[list[int]]:
    by_text: dict[str, list[int]] = {}
    for i in members:
        by_text.setdefault(fold(questions[i]), []).append(i)
    yield from by_text.values()


def opposites(
    questions: Sequence[str], answers: Sequence[str], marks: Sequence[str], *, pairs: bool
) -> Iterator[tuple[int, int]]:
    """Preferences that an earlier row has the other way round: (row, earlier row). `marks` are those of
    `domainkit.corpus.read_files.ReadRows`."""
    first: dict[tuple[str, str, str], int] = {}
    contrary = {GOOD: BAD, BAD: GOOD}
    for i, parts in enumerate(zip(map(fold, questions), map(fold, answers), marks, strict=True)):
        question, answer, mark = parts
        mark = fold(mark) if pairs else mark
        other = (question, mark, answer) if pairs else (question, answer, contrary[mark])
        if other in first:
            yield i, first[other]
        first.setdefault((question, answer, mark), i)
