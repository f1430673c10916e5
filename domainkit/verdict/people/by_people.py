"""The result by people's judgement: from the reviews in a run folder to `Results.people` and, where people contradict
the metric, to another verdict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from domainkit.evaluation.task import clusters_of
from domainkit.results.review_plan import ReviewPlan, read_plan
from domainkit.results.reviews import Review, read_reviews
from domainkit.results.schema import ByPeople, PeopleDifference, Preference, Results, ReviewersAgree, State
from domainkit.statistics.agreement import agreement
from domainkit.statistics.intervals import estimate
from domainkit.statistics.judged import judged_difference
from domainkit.statistics.paired import mcnemar_midp
from domainkit.verdict.people.changed import changed_verdict, people_sentence
from domainkit.verdict.people.counted import Counted, counted_reviews, judge_scores
from domainkit.verdict.people.judge_measured import judge_metric, measure_judge, question_clusters

LEAST = 2
"""Reviewed questions from which there is an interval."""


def with_people(results: Results, run: Path) -> Results:
    """The results with what the reviews in `run` say; without any where there are none. An earlier one is replaced.

    Raises DataError for a damaged file of reviews, or plan.
    """
    earlier = results.people.metric_verdict if results.people else None
    results = results.model_copy(update={"people": None, "verdict": earlier or results.verdict})
    plan = read_plan(run)
    reviews = read_reviews(run) if plan else []
    if plan is None or not reviews:
        return results
    people = by_people(results, plan, reviews)
    verdict = changed_verdict(results, people)
    kept = None if verdict is None else results.verdict
    people = people.model_copy(update={"sentence": people_sentence(results, people), "metric_verdict": kept})
    return results.model_copy(update={"people": people, "verdict": verdict or results.verdict})


def by_people(results: Results, plan: ReviewPlan, reviews: Sequence[Review]) -> ByPeople:
    """What the reviews say; `sentence` is not in it yet."""
    plan = _recommended_first(plan, results.verdict.choice)
    counted = counted_reviews(results, plan, reviews)
    metric = judge_metric(results)
    return ByPeople(
        variants=plan.variants,
        reviewers=counted.reviewers,
        reviewed=counted.reviewed,
        planned=plan.reviews,
        questions=len(counted.items),
        identical=sum(counted.identical),
        not_judged=counted.not_judged,
        outdated=counted.outdated,
        right={v: estimate(counted.mean(counted.right(v))) for v in plan.variants},
        difference=_difference(counted, counted.mean(counted.right_less_right), metric),
        preference=_preference(counted),
        agreement=_agreement(counted),
        judge=measure_judge(counted, metric) if metric else None,
    )


def _recommended_first(plan: ReviewPlan, choice: str) -> ReviewPlan:
    first = sorted(plan.variants, key=lambda v: v != choice)
    return plan.model_copy(update={"variants": tuple(first)})


def _difference(counted: Counted, d: Sequence[float | None], metric: str | None) -> PeopleDifference | None:
    """First less second over all questions; None for one variant, and for too few reviews."""
    n = sum(v is not None for v in d)
    if len(counted.variants) < 2 or n < LEAST:
        return None
    # A question without a verdict keeps chance 1: it is not among the reviewed.
    found = judged_difference(
        d,
        _judge_differences(counted, metric) if metric else None,
        chances=[chance or 1.0 for chance in counted.chances],
        clusters=clusters_of(counted.items),
        identical=counted.identical,
    )
    state: State = "CANNOT TELL YET"
    if found.clear:
        state = "BETTER" if found.estimate > 0 else "WORSE"
    return PeopleDifference(
        value=found.estimate,
        low=found.low,
        high=found.high,
        level=found.level,
        p=found.p,
        n=found.n,
        worth=found.n_eff,
        alone=found.n_alone,
        r2=found.r2,
        state=state,
    )


def _judge_differences(counted: Counted, metric: str) -> list[float]:
    a, b = (judge_scores(counted.items, v, metric) for v in counted.variants)
    return [0.0 if x is None or y is None else x - y for x, y in zip(a, b, strict=True)]


def _preference(counted: Counted) -> Preference | None:
    given = [r for group in counted.reviews for r in group if r.preference is not None]
    difference = _difference(counted, counted.mean(counted.preference), None)
    if difference is None:
        return None
    signs = [counted.preference(r) or 0.0 for r in given]
    rights = [counted.right_less_right(r) for r in given]
    left = sum(r.preference == "left" for r in given)
    right = sum(r.preference == "right" for r in given)
    return Preference(
        difference=difference,
        wins=sum(s > 0 for s in signs),
        ties=sum(s == 0 for s in signs),
        losses=sum(s < 0 for s in signs),
        against=sum(d is not None and d * s < 0 for d, s in zip(rights, signs, strict=True)),
        left=left,
        left_p=float(mcnemar_midp(left, right)),
    )


def _agreement(counted: Counted) -> tuple[ReviewersAgree, ...]:
    """Each two people on the answers that both called right or wrong."""
    found = []
    clusters = question_clusters(counted) * len(counted.variants)
    for a, b in combinations(counted.reviewers, 2):
        first, second = (_verdicts_of(counted, reviewer) for reviewer in (a, b))
        if any(None not in pair for pair in zip(first, second, strict=True)):
            both = agreement(first, second, clusters=clusters)
            found.append(ReviewersAgree(reviewers=(a, b), n=both.n, share=both.raw, ac1=both.ac1))
    return tuple(found)


def _verdicts_of(counted: Counted, reviewer: str) -> list[bool | None]:
    """Whether each answer is right in this person's eyes, variant by variant; None where the person does not say."""
    words = {"right": True, "wrong": False}
    by_question = [next((r for r in group if r.reviewer == reviewer), None) for group in counted.reviews]
    return [words.get(r.verdict_on(v) or "") if r else None for v in counted.variants for r in by_question]
