"""The join finds exactly the pairs that comparing all with all finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse

from domainkit.similarity.join import codes_of, similar_pairs
from domainkit.similarity.texts import near, near_pairs, nearest, numbers
from domainkit.text.words import words


def rows_of_length_one(seed: int, texts: int) -> csr_matrix:
    """Rows of which each is like one of twelve others."""
    rng = np.random.default_rng(seed)
    kinds = random_sparse(12, 60, density=0.3, random_state=seed, dtype=np.float64).toarray()
    dense = kinds[rng.integers(0, 12, texts)] * (rng.random((texts, 60)) > rng.choice([0.02, 0.3], (texts, 1)))
    dense[0] = 0
    return csr_matrix(dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12), dtype=np.float32)


@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
def test_all_pairs_and_no_others_are_found(least: float) -> None:
    left, right = rows_of_length_one(1, 80), rows_of_length_one(1, 90)
    codes = np.arange(90) % 2
    found = {
        (int(i), int(j))
        for pairs in similar_pairs(left, right, least, codes[:80], codes)
        for i, j in zip(pairs.left, pairs.right, strict=True)
    }
    cosines = (left @ right.T).toarray()
    wanted = {(i, j) for i, j in np.argwhere(cosines >= least) if codes[i] == codes[j]}
    assert found == {(int(i), int(j)) for i, j in wanted}
    assert len(wanted) > 60


def test_within_one_set_each_pair_comes_once() -> None:
    rows, codes = rows_of_length_one(2, 70), np.zeros(70, int)
    found = [
        (int(i), int(j))
        for pairs in similar_pairs(rows, rows, 0.9, codes, codes, within=True)
        for i, j in zip(pairs.left, pairs.right, strict=True)
    ]
    assert sorted(found) == [(int(i), int(j)) for i, j in np.argwhere(np.triu((rows @ rows.T).toarray(), 1) >= 0.9)]


def test_equal_values_have_equal_codes() -> None:
    known: dict[object, int] = {}
    assert codes_of(["a", "b", "a"], known).tolist() == [0, 1, 0]
    assert codes_of(["b", "c"], known).tolist() == [1, 2]


def test_near_pairs_are_those_of_near() -> None:
    texts = [
        words(f"where is my card number {i % 7}, it has not come{'!' * (i % 2)} {w}") for i in range(30) for w in "xy"
    ]
    pairs = {(i, j) for i, j, _ in near_pairs(texts)}
    assert {i for pair in pairs for i in pair} == {i for i, _, _ in near(texts, texts)}
    assert all(numbers(texts[i]) == numbers(texts[j]) for i, j in pairs)
    assert list(near_pairs([["a"], ["b"]])) == []
    assert nearest([], ["a"], lambda a, b: iter(()), 0.9) == []
