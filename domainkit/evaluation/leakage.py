"""Leakage: test questions that are also in train, word for word or nearly.

A model that has seen the question shows memory, not skill. Short texts have no 13-gram to look for, so nearness is the
cosine of character n-grams, which also finds one changed word in a line of ten.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from domainkit.corpus.example import Example
from domainkit.evaluation.results import Leak
from domainkit.evaluation.task import Sample

NEAR = 0.9
SHOWN = 50
_BLOCK = 256


def find_leaks(train: Sequence[Example], samples: Sequence[Sample]) -> tuple[tuple[Leak, Leak], tuple[bool, ...]]:
    """The "exact" and the "near" leaks, either with count 0 when there are none, and whether each sample is clean.

    A test item is counted once, at its worst level; a Leak keeps the first 50 pairs for the reader.

    Exact: the same words, case, punctuation and space aside. Near: the same numbers, and a TF-IDF cosine
    of character 2- to 4-grams of 0.9 or more.
    """
    tests = [fold(s.input) for s in samples]
    trains = [fold(e.question) for e in train]
    first = {text: i for i, text in reversed(list(enumerate(trains)))}
    exact = [(i, first[text]) for i, text in enumerate(tests) if text in first]
    found = {i for i, _ in exact}
    rest = [i for i in range(len(tests)) if i not in found]
    near = [(rest[i], j) for i, j in _near_pairs([tests[i] for i in rest], trains)]
    leaks = _leak("exact", exact, samples, train), _leak("near", near, samples, train)
    leaked = {i for i, _ in exact + near}
    return leaks, tuple(i not in leaked for i in range(len(samples)))


def fold(text: str) -> str:
    """Case-folded words with single spaces; a text of nothing but punctuation stays as it is."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.sub(r"[\W_]+", " ", composed).split()) or composed.strip()


def _near_pairs(tests: list[str], trains: list[str]) -> list[tuple[int, int]]:
    """(test, train) positions of each test text and the nearest train text of cosine >= NEAR with the same numbers."""
    if not any(tests) or not any(trains):
        return []
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    vectors.fit([*tests, *trains])
    known = vectors.transform(trains).T.tocsc()
    asked = vectors.transform(tests)
    test_numbers, train_numbers = [_numbers(t) for t in tests], [_numbers(t) for t in trains]
    pairs = []
    for start in range(0, len(tests), _BLOCK):
        cosine = (asked[start : start + _BLOCK] @ known).toarray()
        for i, row in enumerate(cosine, start):
            close = [j for j in np.flatnonzero(row >= NEAR) if train_numbers[j] == test_numbers[i]]
            if close:
                pairs.append((i, int(max(close, key=row.__getitem__))))
    return pairs


def _numbers(text: str) -> frozenset[str]:
    """Words with a digit: "type 2" and "type 8" are two questions, however near their spelling."""
    return frozenset(word for word in text.split() if any(c.isdigit() for c in word))


def _leak(level: str, pairs: list[tuple[int, int]], samples: Sequence[Sample], train: Sequence[Example]) -> Leak:
    named = tuple((samples[i].id, train[j].source or train[j].id or f"train[{j}]") for i, j in pairs[:SHOWN])
    return Leak(level=level, count=len(pairs), pairs=named)
