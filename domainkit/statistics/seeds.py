"""Item × seed: what holds for a training recipe, when adapters that differ only in their seed answered the same items.

One adapter's interval is over items: it says nothing about another training run. Over items and seeds, both drawn at
random and crossed, the variance of the grand mean is at most that of the items' means over seeds divided by the number
of items plus that of the seeds' means over items divided by the number of seeds. (The exact sum would subtract the
residual's share, which both include: Brennan 2001, Generalizability Theory, 5.1; Cameron, Gelbach and Miller 2011, JBES
29:238. With two or three seeds that estimate falls below the items' own variance half of the time, so it is not
subtracted.) Each part gets the half-width of its own t distribution and the two are added in squares (Zou and Donner
2008, Statistics in Medicine 27:1693): one quantile at Satterthwaite's degrees of freedom covers .91 in simulation where
seeds matter and there are three of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from domainkit.results.schema import Estimate, Recipe, State
from domainkit.statistics.intervals import Array, clip, cluster_codes, clustered_error, estimate

METHOD = "items and seeds, crossed; Student's t"


def crossed_interval(
    scores: Array, codes: Array | None = None, *, level: float = 0.95, least: float = 0.0, most: float = 1.0
) -> tuple[float, float]:
    """(low, high) for the grand mean of `scores` (items × seeds, at least 2 × 2), clipped to [least, most].

    `codes` are the items' clusters as 0..G-1. Raises ValueError for fewer than two seeds or items.
    """
    items, seeds = scores.shape
    if items < 2 or seeds < 2:
        raise ValueError(f"items and seeds must be two or more each; got {items} × {seeds}")
    by_item, by_seed = scores.mean(1), scores.mean(0)
    units = items if codes is None else int(codes.max()) + 1
    over_items = by_item.var(ddof=1) / items
    if codes is not None:
        over_items = max(over_items, clustered_error(by_item, codes) ** 2)
    over_seeds = by_seed.var(ddof=1) / seeds
    widths = [stdtrit(max(n - 1, 1), (1 - level) / 2) ** 2 * v for n, v in ((units, over_items), (seeds, over_seeds))]
    half = np.sqrt(sum(widths))
    return clip(scores.mean() - half, scores.mean() + half, least, most)


def matrix(columns: Sequence[Sequence[float | None]]) -> tuple[Array, list[int]]:
    """Scores per seed as items × seeds, and the items that every seed has a score for."""
    items = [i for i, row in enumerate(zip(*columns, strict=True)) if None not in row]
    return np.array([[column[i] for column in columns] for i in items], float), items


def recipe_of(
    variant: str,
    by_seed: Mapping[int, Sequence[float | None]],
    baseline: str,
    baseline_scores: Sequence[float | None] | None,
    *,
    clusters: Sequence[Hashable] | None,
    margin: float,
    level: float = 0.95,
) -> Recipe:
    """The recipe's score, and its difference to the baseline unless `baseline_scores` is None.

    `by_seed` are the scores of each seed's adapter, the comparison's own first; all scores are of the same items in
    one order.
    """
    scores, items = matrix(list(by_seed.values()))
    codes = cluster_codes(clusters, items)
    alone = estimate(list(scores.mean(1)), clusters=[clusters[i] for i in items] if clusters else None, level=level)
    low, high = crossed_interval(scores, codes, level=level)
    # Never narrower than for these adapters alone.
    low, high = min(low, alone.low or 0.0), max(high, alone.high or 0.0)
    recipe = Recipe(
        variant=variant,
        baseline=baseline,
        seeds=tuple(by_seed),
        by_seed=tuple(float(s) for s in scores.mean(0)),
        score=Estimate(value=float(scores.mean()), low=low, high=high, n=len(items), level=level, method=METHOD),
    )
    if baseline_scores is None or any(baseline_scores[i] is None for i in items):
        return recipe
    differences = scores - np.array([[baseline_scores[i]] for i in items], float)
    low, high = crossed_interval(differences, codes, level=level, least=-1, most=1)
    difference = Estimate(value=float(differences.mean()), low=low, high=high, n=len(items), level=level, method=METHOD)
    return recipe.model_copy(update={"difference": difference, "state": _state(low, high, margin)})


def _state(low: float, high: float, margin: float) -> State:
    if -margin < low and high < margin:
        return "EQUIVALENT"
    return "BETTER" if low > 0 else "WORSE" if high < 0 else "CANNOT TELL YET"
