"""Item × seed: intervals that hold for the recipe, by simulation; and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from domainkit.statistics.seeds import crossed_interval, matrix, recipe_of


def coverage(items: int, seeds: int, between_seeds: float, runs: int = 1_000) -> float:
    """Share of runs whose 95 % interval holds the true mean of a recipe whose seeds differ by `between_seeds` (sd)."""
    rng = np.random.default_rng(items * seeds)
    held = 0
    for _ in range(runs):
        ease = rng.normal(0, 0.3, (items, 1))
        scores = 0.1 + ease + rng.normal(0, between_seeds, (1, seeds)) + rng.normal(0, 0.3, (items, seeds))
        low, high = crossed_interval(scores, least=-9, most=9)
        held += low <= 0.1 <= high
    return held / runs


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("between_seeds", [0.0, 0.03, 0.3])
def test_intervals_cover_the_recipe_whether_seeds_matter_or_not(seeds: int, between_seeds: float) -> None:
    assert coverage(100, seeds, between_seeds) >= 0.94


def test_intervals_over_items_alone_do_not_cover_it() -> None:
    """What the two-way interval is for: three adapters' mean, taken as if they were all there are."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(500):
        scores = 0.1 + rng.normal(0, 0.3, (200, 1)) + rng.normal(0, 0.1, (1, 3)) + rng.normal(0, 0.3, (200, 3))
        means = scores.mean(1)
        held += abs(means.mean() - 0.1) <= 1.97 * means.std(ddof=1) / np.sqrt(200)
    assert held / 500 < 0.75


def test_clusters_widen_it() -> None:
    rng = np.random.default_rng(1)
    shared = np.repeat(rng.normal(0, 0.3, 20), 10)[:, None]
    scores = shared + rng.normal(0, 0.05, (200, 3))
    codes = np.repeat(np.arange(20), 10)
    apart, together = crossed_interval(scores, least=-9, most=9), crossed_interval(scores, codes, least=-9, most=9)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_one_seed_or_one_item_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more each; got 5 × 1"):
        crossed_interval(np.ones((5, 1)))
    with pytest.raises(ValueError, match="got 1 × 3"):
        crossed_interval(np.ones((1, 3)))


def test_items_without_a_score_are_left_out() -> None:
    scores, kept = matrix([[1.0, None, 0.0], [1.0, 1.0, 0.5]])
    assert kept == [0, 2]
    assert scores.tolist() == [[1.0, 1.0], [0.0, 0.5]]


def test_seeds_that_disagree_leave_the_recipe_open_though_the_adapter_is_better() -> None:
    baseline = [0.0] * 100
    good, poor = [1.0] * 60 + [0.0] * 40, [1.0] * 5 + [0.0] * 95
    mixed = recipe_of("tuned", {0: good, 1: poor}, "zero-shot", baseline, clusters=None, margin=0.02)
    assert (mixed.seeds, mixed.by_seed, mixed.state) == ((0, 1), (0.6, 0.05), "CANNOT TELL YET")
    alike = recipe_of("tuned", {0: good, 1: good[::-1]}, "zero-shot", baseline, clusters=None, margin=0.02)
    assert alike.state == "BETTER"
    assert alike.difference is not None
    assert alike.difference.value == pytest.approx(0.6)


def test_a_recipe_is_never_surer_than_its_adapters() -> None:
    same = [1.0] * 20
    recipe = recipe_of("tuned", {0: same, 1: same}, "tuned", None, clusters=None, margin=0.02)
    assert recipe.score.low is not None
    assert recipe.score.low < 0.9
    assert (recipe.difference, recipe.state) == (None, None)
