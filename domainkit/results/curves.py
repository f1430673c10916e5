"""What more training examples bring, and what holds over training seeds."""

from __future__ import annotations

from domainkit.results.answers import Estimate, Record, State


class CurvePoint(Record):
    """A score at `n` training examples, measured or forecast, with its interval."""

    n: int
    value: float
    low: float | None = None
    high: float | None = None


class LearningCurve(Record):
    """How `variant`'s score grows with training examples."""

    variant: str
    points: tuple[CurvePoint, ...]
    forecast: tuple[CurvePoint, ...] = ()
    """Empty: `reason` says why."""
    level: float = 0.95
    """Of the forecast's band."""
    reason: str = ""


class Recipe(Record):
    """A variant with several adapters that differ only in their training seed.

    Items and seeds both count as drawn at random, so these figures are about the training recipe. The variant's figures
    are about one adapter. 95 % intervals, not adjusted for several variants.
    """

    variant: str
    baseline: str
    seeds: tuple[int, ...]
    """The comparison's own adapter first."""
    by_seed: tuple[float, ...]
    """The score of each."""
    score: Estimate
    difference: Estimate | None = None
    """To `baseline`, paired by item; None where the variant is the baseline."""
    state: State | None = None
