"""A judge beside people: kappa, sensitivity and specificity on the answers that both judged."""

from __future__ import annotations

from collections.abc import Iterable

from domainkit.results.lookups import metric_names
from domainkit.results.schema import Estimate, JudgeMeasured, Results
from domainkit.statistics.agreement import cohen_kappa
from domainkit.statistics.intervals import estimate
from domainkit.verdict.people.counted import Counted, judge_scores

JUDGE = "judge"
RIGHT_FROM = 0.5
"""A judge's grade from here up counts as right."""
Pairs = list[tuple[bool, bool]]
"""(right by people, right by the judge) of single answers."""


def judge_metric(results: Results) -> str | None:
    """The judge of single answers among the run's metrics."""
    return JUDGE if JUDGE in metric_names(results) else None


def measure_judge(counted: Counted, metric: str) -> JudgeMeasured:
    """The judge on the answers that people reviewed; those without a grade are left out."""
    by_variant = {variant: _pairs(counted, variant, metric) for variant in counted.variants}
    pairs = [pair for found in by_variant.values() for pair in found]
    people, judge = [p for p, _ in pairs], [j for _, j in pairs]
    return JudgeMeasured(
        metric=metric,
        n=len(pairs),
        kappa=cohen_kappa(people, judge) if pairs else None,
        sensitivity=_share(pairs, right=True),
        specificity=_share(pairs, right=False),
        by_variant={v: (_share(found, right=True), _share(found, right=False)) for v, found in by_variant.items()},
    )


def _pairs(counted: Counted, variant: str, metric: str) -> Pairs:
    people, judge = counted.mean(counted.right(variant)), judge_scores(counted.items, variant, metric)
    both = ((p, j) for p, j in zip(people, judge, strict=True) if p is not None and j is not None)
    return [(p >= RIGHT_FROM, j >= RIGHT_FROM) for p, j in both]


def _share(pairs: Iterable[tuple[bool, bool]], *, right: bool) -> Estimate:
    """How often the judge says the same of the answers that people call right, or wrong."""
    same = [float(judge == people) for people, judge in pairs if people is right]
    if not same:
        return Estimate(value=None, reason=f"people called none of these answers {'right' if right else 'wrong'}")
    return estimate(same)
