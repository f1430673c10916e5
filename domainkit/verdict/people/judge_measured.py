"""A judge beside people: kappa, sensitivity and specificity on the answers that both judged."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.evaluation.task import clusters_of
from domainkit.results.lookups import metric_names
from domainkit.results.schema import JudgeMeasured, Results
from domainkit.statistics.agreement import JudgeAgreement, judge_agreement
from domainkit.verdict.people.counted import Counted, judge_scores

JUDGE = "judge"
RIGHT_FROM = 0.5
"""A judge's grade from here up counts as right."""


def judge_metric(results: Results) -> str | None:
    """The judge of single answers among the run's metrics."""
    return JUDGE if JUDGE in metric_names(results) else None


def measure_judge(counted: Counted, metric: str) -> JudgeMeasured:
    """The judge on the answers that people reviewed; those without a grade are left out."""
    found = _agreement(counted, counted.variants, metric)
    alone = {v: _agreement(counted, (v,), metric) for v in counted.variants}
    return JudgeMeasured(
        metric=metric,
        n=found.n,
        kappa=found.kappa.value,
        sensitivity=found.sensitivity,
        specificity=found.specificity,
        by_variant={v: (one.sensitivity, one.specificity) for v, one in alone.items()},
    )


def _agreement(counted: Counted, variants: Sequence[str], metric: str) -> JudgeAgreement:
    people = [_is_right(v) for name in variants for v in counted.mean(counted.right(name))]
    judge = [_is_right(v) for name in variants for v in judge_scores(counted.items, name, metric)]
    chances = [chance or 1.0 for _ in variants for chance in counted.chances]
    return judge_agreement(people, judge, chances=chances, clusters=question_clusters(counted) * len(variants))


def question_clusters(counted: Counted) -> list[str]:
    """The cluster of each question: both answers to one question are alike."""
    return clusters_of(counted.items) or [item.id for item in counted.items]


def _is_right(value: float | None) -> bool | None:
    return None if value is None else value >= RIGHT_FROM
