"""Which two variants are reviewed, and in which order their questions are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.errors import ConfigError
from domainkit.registry import suggestion
from domainkit.results.lookups import find_variant
from domainkit.results.review_plan import PLAN_FILE, ReviewPlan, read_plan
from domainkit.results.reviews import read_reviews, text_digest
from domainkit.results.schema import Item, Results
from domainkit.statistics.review_queue import queue, weights
from domainkit.storage import sha256_json
from domainkit.verdict.people.counted import answered_by, judge_scores, same_answers, shown_text
from domainkit.verdict.people.judge_measured import judge_metric

DEFAULT_REVIEWS = 50
RUBRIC = (
    "Right: you would give this answer to someone who relies on it. Wrong: you would not. "
    "Judge what it says, not how it says it."
)


def plan_for(
    run: Path, results: Results, *, variants: Sequence[str] = (), reviews: int | None = None, rubric: str | None = None
) -> ReviewPlan:
    """The plan in the run folder, with what is asked for now; a new one where there is none, or it no longer fits.

    Raises ConfigError for variants that are not in the run, or that gave the same answers to every question.
    """
    kept = read_plan(run)
    chosen = _chosen(results, variants or (kept.variants if kept else ()))
    drawn = _draw(results, chosen)
    if kept is not None and set(kept.variants) != set(chosen):
        what = f"is about {' and '.join(kept.variants)}"
        next_step = f"leave --variants out, or move {PLAN_FILE} and reviews.jsonl away"
        raise ConfigError(what, where=str(run / PLAN_FILE), next_step=next_step)
    # A judge that is new makes no new queue: the chances of what was reviewed were fixed before.
    plan = kept if kept is not None and kept.digest == drawn.digest and read_reviews(run) else drawn
    asked = reviews or (kept.reviews if kept else DEFAULT_REVIEWS)
    text = rubric or (kept.rubric if kept else next((j.rubric for j in results.judges), RUBRIC))
    return plan.model_copy(update={"reviews": min(asked, len(plan.queue)), "rubric": text})


def _chosen(results: Results, names: Sequence[str]) -> tuple[str, ...]:
    """The variants named; else the recommended one and the baseline, or the best other where it is the baseline."""
    known = [v.name for v in results.variants]
    for name in names:
        if name not in known:
            raise ConfigError(f"the run has no variant '{name}'", where="--variants", next_step=suggestion(name, known))
    if len(set(names)) != len(names) or len(names) > 2:
        raise ConfigError("one variant, or two different ones, can be reviewed", where="--variants", next_step="A,B")
    if names:
        return tuple(names)
    scored = [v for v in results.variants if v.name not in results.failed and v.family != "oracle"] or results.variants
    metric = results.task.primary_metric
    best = sorted(scored, key=lambda v: -(((e := v.metrics.get(metric)) and e.value) or 0.0))
    first = results.verdict.choice if find_variant(results, results.verdict.choice) else best[0].name
    others = [v.name for v in best if v.name != first]
    return (first, results.baseline if results.baseline in others else others[0]) if others else (first,)


def _draw(results: Results, variants: tuple[str, ...]) -> ReviewPlan:
    items = answered_by(results, variants)
    identical = [len(variants) == 2 and same_answers(item, variants) for item in items]
    metric = judge_metric(results) if len(variants) == 2 else None
    grades = [[0.5 if s is None else s for s in judge_scores(items, v, metric)] for v in variants] if metric else None
    found = weights(identical, *(grades or (None, None)))
    shown = queue(found, seed=0)
    if not shown:
        both = " and ".join(variants)
        what = f"{both} gave the same answer to every question" if items else f"no question was answered by {both}"
        raise ConfigError(what, where="--variants", next_step="name two other variants")
    return ReviewPlan(
        variants=variants,
        reviews=len(shown),
        questions=len(items),
        identical=sum(identical),
        queue=tuple(items[k].id for k in shown),
        weights=tuple(found[k] for k in shown),
        ordered_by=metric or "",
        digest=sha256_json([_digests(item, variants) for item in items]),
        rubric=RUBRIC,
    )


def _digests(item: Item, variants: Sequence[str]) -> list[str]:
    return [item.id, *(text_digest(shown_text(item.answers[v])) for v in variants)]
