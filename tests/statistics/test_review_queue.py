"""The review queue: its first n are a sample with the chances it states, and it prefers what narrows the interval."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.statistics.review_queue import chances, queue, weights

A = [0.9, 0.5, 0.1, 0.95, 0.2, 0.6]
B = [0.1, 0.5, 0.1, 0.95, 0.9, 0.6]
SAME = [False, False, False, True, False, True]


def test_weights_prefer_different_verdicts_keep_half_uniform_and_skip_identical_answers() -> None:
    w = weights(SAME, A, B)
    assert sum(w) == pytest.approx(1)
    assert w[3] == w[5] == 0
    assert w[0] > w[4] > w[1] > w[2] >= 0.5 / 4


def test_without_probabilities_all_that_differ_weigh_the_same() -> None:
    uniform = [0.25, 0.25, 0.25, 0, 0.25, 0]
    assert weights(SAME) == uniform
    assert weights(SAME, [1, 0, 1, 1, 0, 0], [0, 0, 1, 1, 1, 0]) == uniform, "bare verdicts"
    assert weights(SAME, [1.0] * 6, [1.0] * 6) == uniform
    assert weights([True, True]) == [0, 0]
    assert queue([0, 0], 1) == []


def test_probabilities_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        weights([False], [float("nan")], [0.5])
    with pytest.raises(ValueError, match="one entry per question"):
        weights([False, False], [0.5], [0.5])


def test_chances_sum_to_the_number_shown_and_are_at_most_one() -> None:
    w = [0.6, 0.2, 0.1, 0.1, 0.0]
    for shown in range(1, 5):
        found = chances(w, shown)
        assert sum(found) == pytest.approx(shown)
        assert max(found) <= 1
        assert found[4] == 0
    assert chances(w, 2) == pytest.approx([1, 0.5, 0.25, 0.25, 0])
    assert chances(w, 99) == [1, 1, 1, 1, 0], "no more than there are"


def test_the_first_n_of_the_queue_are_drawn_with_those_chances() -> None:
    """4,000 queues of 40 questions: standard error .008 at most."""
    rng = np.random.default_rng(0)
    w = weights([False] * 40, list(rng.random(40)), list(rng.random(40)))
    counts = np.zeros(40)
    for seed in range(4_000):
        order = queue(w, seed)
        assert len(order) == 40
        counts[order[:10]] += 1
    assert np.abs(counts / 4_000 - chances(w, 10)).max() < 0.03
    assert queue(w, 5) == queue(w, 5) != queue(w, 6)
