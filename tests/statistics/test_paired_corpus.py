"""Paired corpus scores: documents are the unit, equal variants have no difference, and few documents say little."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.statistics.paired_corpus import exchange_p, paired_corpus


def micro_f1(sums: np.ndarray) -> np.ndarray:
    """Counts are (match, gold, answered)."""
    both = sums[..., 1] + sums[..., 2]
    return np.where(both > 0, 2 * sums[..., 0] / np.where(both > 0, both, 1), 0.0)


def documents(rng: np.random.Generator, n: int, right: float) -> np.ndarray:
    gold = rng.integers(2, 9, n)
    match = rng.binomial(gold, right)
    return np.stack([match, gold, match + rng.binomial(gold - match, 0.5)], 1).astype(float)


def test_the_difference_is_that_of_the_pooled_scores() -> None:
    rng = np.random.default_rng(0)
    a, b = documents(rng, 60, 0.9), documents(rng, 60, 0.6)
    b[:, 1] = a[:, 1]
    found = paired_corpus(a.tolist(), b.tolist(), micro_f1)
    assert found.value == pytest.approx(micro_f1(a.sum(0)) - micro_f1(b.sum(0)))
    assert 0 < found.low < found.value < found.high
    assert found.clear
    swapped = paired_corpus(b.tolist(), a.tolist(), micro_f1)
    assert (-swapped.high, -swapped.low) == pytest.approx((found.low, found.high), abs=0.01)
    assert swapped.p == pytest.approx(found.p, abs=0.002)


def test_equal_counts_are_no_difference_but_no_proof_of_it_either() -> None:
    a = documents(np.random.default_rng(1), 30, 0.8).tolist()
    found = paired_corpus(a, a, micro_f1)
    assert (found.value, found.p) == (0, 1)
    assert found.low < -0.05 < 0.05 < found.high
    assert not found.clear


def test_one_document_says_nothing_and_clusters_are_the_unit() -> None:
    rng = np.random.default_rng(2)
    a, b = documents(rng, 40, 0.9), documents(rng, 40, 0.7)
    alone = paired_corpus(a[:1].tolist(), b[:1].tolist(), micro_f1)
    assert (alone.low, alone.high, alone.units) == (-1, 1, 1)
    once = paired_corpus(a.tolist(), b.tolist(), micro_f1)
    copies = paired_corpus([*a.tolist()] * 3, [*b.tolist()] * 3, micro_f1, clusters=[*range(40)] * 3)
    assert (copies.n, copies.units) == (120, 40)
    assert (copies.low, copies.high, copies.p) == pytest.approx((once.low, once.high, once.p))
    with pytest.raises(ValueError, match="one entry per item"):
        paired_corpus(a.tolist(), b[:3].tolist(), micro_f1)


def test_exchanges_are_exact_for_few_documents() -> None:
    """Three documents, all for A: two of the eight exchanges are as extreme."""
    rows = np.array([[[2, 2, 2], [0, 2, 2]]] * 3, float)
    assert exchange_p(rows, micro_f1) == 2 / 8
