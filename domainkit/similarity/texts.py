"""How similar two texts are: shared runs of words, similar characters, an answer that another text contains.

Each function returns (test position, pool position, similarity) once per test text that has a match. Thresholds, and
where they come from, stand beside their names; docs/statistics.md has what they find on public data.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from math import ceil

import numpy as np
from scipy.sparse import csr_matrix

from domainkit.similarity.join import codes_of, similar_pairs
from domainkit.statistics.intervals import Array
from domainkit.text.characters import MARKS, UNSPACED
from domainkit.text.words import words

Match = tuple[int, int, float]
Cosines = Callable[[Sequence[str], Sequence[str]], Iterable[Array]]
"""(tests, pool) to one row of cosines per test text, float (len(pool),), in order."""

NEAR = 0.9
"""Character cosine. On Banking77, 95 % of the pairs above it have the same label."""
ALIKE = 0.95
"""Embedding cosine. Reported, never counted: on medquad_ghr half of the pairs above it ask about another condition."""
LONGEST_RUN, SHORTEST_RUN, SHARE_OF_RUN = 13, 5, 0.8
"""Words in a row that count: 13 (Brown et al. 2020, arXiv 2005.14165, app. C), for a shorter text four fifths of it,
at least 5."""
RARE = 2
"""A run, or an answer, in more rows than this is a turn of phrase, not a copy."""
LONG_ANSWER, SAME_SUBJECT = 5, 0.5
"""A rare answer of this many words counts alone; a shorter one only in a row whose question is this similar in
characters."""
_BLOCK = 256
_SIGN = re.compile(f"[{UNSPACED}]")
_SPACE_BETWEEN_SIGNS = re.compile(rf"(?<=[{UNSPACED}{MARKS}]) (?=[{UNSPACED}])")
# Not emoji: a copy with a smile added is a copy.
_EXACT = re.compile(r"[\d!#%&*+./<=>^|~$-]|[\u00a2-\u00a5\u00b1\u00d7\u00f7\u20a0-\u20c0\u2200-\u22ff]")


def numbers(text: Sequence[str]) -> frozenset[str]:
    """Words with a digit, a sign or an operator: "type 2" and "type 8" are two questions, however near their spelling,
    and so are "x < 5" and "x > 5", C and C++."""
    return frozenset(word for word in text if not word.isalpha() and _EXACT.search(word))


def letters_a_word(text: Sequence[str]) -> int:
    """1, or in a text of a script without spaces how many of its letters make a word, about."""
    return 2 if 2 * sum(_SIGN.match(word) is not None for word in text) > len(text) else 1


def fitted_run(length: int, letters: int = 1) -> int:
    """How many words in a row, or letters at `letters` a word, a text of `length` must share."""
    return min(LONGEST_RUN * letters, max(SHORTEST_RUN * letters, ceil(SHARE_OF_RUN * length)))


def shared_runs(tests: Sequence[list[str]], pool: Sequence[list[str]]) -> list[Match]:
    """Test texts that share a run fitted to their length, and all numbers, with one of the pool; similarity: words
    shared in a row as a share of the test's."""
    by_run: dict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(tests):
        by_run[fitted_run(len(text), letters_a_word(text))].append(i)
    matches = []
    for n, same_length in by_run.items():
        runs = {run for i in same_length for run in _runs(tests[i], n)}
        holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for j, text in enumerate(pool):
            for run in runs.intersection(_runs(text, n)):
                holders[run].append(j)
        for i in same_length:
            test_numbers = numbers(tests[i])
            rows = {j for run in _runs(tests[i], n) if len(holders.get(run, ())) <= RARE for j in holders.get(run, ())}
            same = sorted(j for j in rows if numbers(pool[j]) == test_numbers)
            if same:
                matches.append((i, same[0], min(n / len(tests[i]), 1.0)))
    return sorted(matches)


def _runs(text: Sequence[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(text[k : k + n]) for k in range(len(text) - n + 1)}


def contained(tests: Sequence[list[str]], passages: Sequence[list[str]]) -> list[Match]:
    """Test texts of at least `SHORTEST_RUN` words that stand whole in a passage; longer ones also match by a run of 13
    words."""
    letters = [letters_a_word(text) for text in tests]
    long_enough = [i for i, text in enumerate(tests) if len(text) >= SHORTEST_RUN * letters[i]]
    sizes = {i: min(len(tests[i]), LONGEST_RUN * letters[i]) for i in long_enough}
    runs = {run for i in long_enough for run in _runs(tests[i], sizes[i])}
    starting: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for run in runs:
        starting[run[:SHORTEST_RUN]].append(run)
    holders: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for j, passage in enumerate(passages):
        for k in range(len(passage) - SHORTEST_RUN + 1):
            for run in starting.get(tuple(passage[k : k + SHORTEST_RUN]), ()):
                if tuple(passage[k : k + len(run)]) == run:
                    holders[run].add(j)
    matches = []
    for i in long_enough:
        rows = sorted(set().union(*(holders.get(run, ()) for run in _runs(tests[i], sizes[i]))))
        if rows:
            phrase = f" {' '.join(tests[i])} "
            whole = next((j for j in rows if phrase in f" {' '.join(passages[j])} "), None)
            share = 1.0 if whole is not None else sizes[i] / (len(tests[i]) + 1)
            matches.append((i, rows[0] if whole is None else whole, share))
    return matches


def near(tests: Sequence[list[str]], pool: Sequence[list[str]]) -> list[Match]:
    """Test texts and the nearest text of the pool with the same numbers: TF-IDF cosine of characters >= NEAR."""
    best: dict[int, tuple[int, float]] = {}
    codes: dict[object, int] = {}
    vectors = _character_vectors([_line(t) for t in tests], [_line(p) for p in pool])
    if vectors is None:
        return []
    test_codes, pool_codes = (codes_of([numbers(t) for t in texts], codes) for texts in (tests, pool))
    for pairs in similar_pairs(*vectors, NEAR, test_codes, pool_codes):
        for i, j, cosine in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.cosines.tolist(), strict=True):
            other = best.get(i)
            if other is None or (cosine, -j) > (other[1], -other[0]):
                best[i] = (j, cosine)
    return [(i, j, min(cosine, 1.0)) for i, (j, cosine) in sorted(best.items())]


def near_pairs(texts: Sequence[list[str]]) -> Iterator[Match]:
    """Every two of `texts` (each as words) that `near` would match, once, with their cosine."""
    vectors = _character_vectors([_line(t) for t in texts], [])
    if vectors is None:
        return
    codes = codes_of([numbers(t) for t in texts], {})
    for pairs in similar_pairs(vectors[0], vectors[0], NEAR, codes, codes, within=True):
        for i, j, cosine in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.cosines.tolist(), strict=True):
            yield i, j, min(cosine, 1.0)


def shared_run_pairs(texts: Sequence[list[str]]) -> Iterator[tuple[int, int]]:
    """Every two of `texts` that `shared_runs` would match if one of them were a test text and the other in the pool."""
    by_run: dict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        by_run[fitted_run(len(text), letters_a_word(text))].append(i)
    for n, same_length in by_run.items():
        runs = {run for i in same_length for run in _runs(texts[i], n)}
        holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for j, text in enumerate(texts):
            for run in runs.intersection(_runs(text, n)):
                holders[run].append(j)
        for rows in holders.values():
            if 1 < len(rows) <= RARE + 1:  # the test text holds the run, too
                yield from ((a, b) for a, b in combinations(rows, 2) if numbers(texts[a]) == numbers(texts[b]))


def _line(text: Sequence[str]) -> str:
    """The words with spaces, the letters of scripts without spaces without them: their order counts, too."""
    return _SPACE_BETWEEN_SIGNS.sub("", " ".join(text))


def nearest(tests: Sequence[str], pool: Sequence[str], cosines: Cosines, least: float) -> list[Match]:
    """Each test text and the pool's most similar one with the same numbers, where that reaches `least`."""
    if not any(tests) or not any(pool):
        return []
    matches = []
    pool_numbers = [numbers(words(text)) for text in pool]
    for i, row in enumerate(cosines(tests, pool)):
        test_numbers = numbers(words(tests[i]))
        close = [int(j) for j in np.flatnonzero(row >= least) if pool_numbers[j] == test_numbers]
        if close:
            j = max(close, key=row.__getitem__)
            matches.append((i, j, min(float(row[j]), 1.0)))
    return matches


def character_cosines(tests: Sequence[str], pool: Sequence[str]) -> Iterable[Array]:
    """TF-IDF cosines of character 2- to 4-grams inside words; short texts count too, since no long run is needed."""
    vectors = _character_vectors(tests, pool)
    if vectors is None:
        yield from (np.zeros(len(pool), np.float32) for _ in tests)
        return
    left, right = vectors[0], vectors[1].T.tocsc()
    for start in range(0, len(tests), _BLOCK):
        yield from (left[start : start + _BLOCK] @ right).toarray()


def _character_vectors(tests: Sequence[str], pool: Sequence[str]) -> tuple[csr_matrix, csr_matrix] | None:
    """Rows of length 1, float32 (texts, n-grams), weighed over both; None where no text has two characters in a row."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32)
    try:
        both = vectors.fit_transform([*tests, *pool]).tocsr()
    except ValueError:
        return None
    return both[: len(tests)], both[len(tests) :]


def contained_answers(
    tests: Sequence[list[str]], answers: Sequence[list[str]], pool: Sequence[list[str]], texts: Sequence[list[str]]
) -> list[Match]:
    """Test questions whose answer stands word for word in a solved example that is not the same question.

    `pool` are the examples' questions, `texts` question and answer together. Only an answer found in at most `RARE`
    examples counts, and of fewer than `LONG_ANSWER` words only where the two questions are alike (`SAME_SUBJECT`);
    similarity: theirs.
    """
    inside = [f" {' '.join(t)} " for t in texts]
    first: dict[str, list[int]] = defaultdict(list)
    for j, text in enumerate(texts):
        for word in set(text):
            first[word].append(j)
    candidates = []
    for i, answer in enumerate(answers):
        if not answer:
            continue
        rarest = min(answer, key=lambda w: len(first.get(w, ())))
        phrase = f" {' '.join(answer)} "
        rows = [j for j in first.get(rarest, ()) if phrase in inside[j]]
        if 0 < len(rows) <= RARE:
            candidates.append((i, rows))
    if not candidates:
        return []
    matches = []
    rows_of = character_cosines([_line(tests[i]) for i, _ in candidates], [_line(p) for p in pool])
    for (i, rows), cosine in zip(candidates, rows_of, strict=True):
        j = max(rows, key=cosine.__getitem__)
        if len(answers[i]) >= LONG_ANSWER * letters_a_word(answers[i]) or cosine[j] >= SAME_SUBJECT:
            matches.append((i, j, min(float(cosine[j]), 1.0)))
    return matches
