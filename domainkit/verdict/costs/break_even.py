"""From how many questions on a variant that costs more before the first one is cheaper than a rival."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import partial
from math import isfinite

import numpy as np

from domainkit.results.schema import BreakEven, VariantCost
from domainkit.statistics.intervals import Array, graded_interval, spread
from domainkit.statistics.paired import adjust, compare_paired

LEVEL = 0.95


def break_even(variant: VariantCost, rival: VariantCost, saved: Sequence[float]) -> BreakEven:
    """V* = (F_variant - F_rival) / (c_rival - c_variant); `saved` is the denominator, question by question.

    V* falls as the saving grows, so the interval of V* is the saving's interval, with its ends exchanged.
    """
    of = partial(BreakEven, variant=variant.name, rival=rival.name)
    if variant.fixed is None or rival.fixed is None:
        return of(state="unknown", reason=variant.reason or rival.reason)
    if not len(saved):
        return of(state="unknown", reason="no question has a cost for both")
    extra = variant.fixed - rival.fixed
    x = np.asarray(saved, float)
    mean = float(x.mean())
    low, high = _interval(x)
    if mean <= 0 or not isfinite(extra / mean):
        return of(state="never" if extra >= 0 else "unknown", reason=_why_never(variant.name, extra, mean, high))
    if extra <= 0:
        why = "neither costs anything before the first question" if extra == 0 else ""
        return of(state="at once", questions=0.0, low=0.0, high=0.0 if low > 0 else None, reason=why)
    if low > 0 and isfinite(extra / low):
        return of(state="from", questions=extra / mean, low=extra / high, high=extra / low)
    why = "these questions do not show that each further question is cheaper"
    return of(state="from", questions=extra / mean, low=extra / high, reason=why)


def _why_never(variant: str, extra: float, mean: float, high: float) -> str:
    if extra < 0:
        return f"{variant} costs less at first and more for each question"
    on_top = "its training comes on top" if extra > 0 else "it has no training cost to earn back"
    unsure = "; another set of questions may differ" if high > 0 else ""
    return f"a question costs {'as much' if mean == 0 else 'more'} with {variant}, and {on_top}{unsure}"


def _interval(x: Array) -> tuple[float, float]:
    """The 95 % interval of the mean saving; in units of its own size, since costs are tiny numbers."""
    mean, unit = float(x.mean()), float(np.abs(x).max())
    if unit == 0 or len(x) < 2 or spread(x / unit) == 0:
        return mean, mean
    low, high = graded_interval(x / unit, LEVEL)
    return min(low * unit, mean), max(high * unit, mean)


def shown_worse(
    subject: str,
    rivals: Sequence[str],
    scores: Mapping[str, Sequence[float | None]],
    clusters: Sequence[Hashable] | None = None,
) -> set[str]:
    """The rivals shown to score below `subject`, on the same questions and Holm-adjusted."""
    pairs = {name: compare_paired(scores[name], scores[subject], clusters=clusters) for name in rivals}
    return {name for name, d in adjust(pairs).items() if d is not None and d.state == "WORSE"}


def main_rival(
    rivals: Sequence[str], worse: Collection[str], costs: Mapping[str, float], means: Mapping[str, float]
) -> str:
    """The cheapest rival per question that is not shown to be worse, else the best of them."""
    equals = [name for name in rivals if name not in worse]
    return min(equals, key=lambda name: (costs[name], name)) if equals else max(rivals, key=means.__getitem__)
