"""Which questions each variant is asked: all of them, or block by block in a race; and again with other adapters."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.asking.call_runnable import answer_all
from domainkit.comparison.fitting.replicas import seed_of
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import Rows, score_variant
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore, asked_each
from domainkit.evaluation.task import Sample, Task, clusters_of
from domainkit.evaluation.variant import Variant
from domainkit.results.schema import Race
from domainkit.statistics.racing import RaceState, run_race

log = logging.getLogger("domainkit")


@dataclass(frozen=True)
class Answers:
    """What the variants answered."""

    task: Task
    """With the questions that were asked; after a race these may be fewer than were given, in the order asked."""
    rows: dict[str, Rows]
    """By variant, in the order of the task's questions."""
    race: Race | None
    smaller: tuple[Rows, ...] = ()
    """Of "tuned" with each adapter that was trained on fewer rows."""
    replicas: Mapping[str, tuple[Rows, ...]] = field(default_factory=dict)
    """By variant, with each adapter of another seed."""

    def complete(self, name: str) -> bool:
        """Whether the variant answered every question. One that dropped out of a race did not."""
        return None not in self.rows.get(name, (None,))


def answer_variants(plan: ComparisonPlan, file: Path, on_progress: Progress | None) -> Answers:
    """Every variant's answers, kept row by row in `file`: what is there already is not asked again."""
    with RowStore(file) as store:
        if old := store.old_rows:
            log.warning(
                "%s: %d answers of an earlier version do not say which question they answer: asked again", file, old
            )
        answers = (_race if plan.inputs.config.race else _ask_all)(plan, store, on_progress)
        return Answers(
            answers.task,
            answers.rows,
            answers.race,
            _with_smaller_adapters(plan, answers, store, on_progress),
            _with_replicas(plan, answers, store, on_progress),
        )


def _ask_all(plan: ComparisonPlan, store: RowStore, on_progress: Progress | None) -> Answers:
    task = plan.inputs.task
    rows = {v.name: ask(plan, v, v.name, task.samples, store, on_progress) for v in plan.variants}
    return Answers(task, rows, None)


def ask(
    plan: ComparisonPlan,
    variant: Variant,
    name: str,
    samples: Sequence[Sample],
    store: RowStore,
    on_progress: Progress | None,
    adapter: Adapter | None = None,
) -> Rows:
    """The variant's answers, with `adapter` in place of its own. Rows and progress call it `name`."""
    make = partial(plan.runnable, variant, adapter)
    size = plan.inputs.config.batch_size
    key = plan.key(variant, adapter)
    asked = asked_each(samples, gold=variant.oracle)
    return answer_all(name, key, make, samples, store, batch_size=size, asked=asked, on_progress=on_progress)


def _race(plan: ComparisonPlan, store: RowStore, on_progress: Progress | None) -> Answers:
    """Block by block, until every difference is clear or no question is left."""
    task, config, metrics = plan.inputs.task, plan.inputs.config, plan.inputs.metrics.primary_only
    keys = {v.name: plan.key(v) for v in plan.variants}
    make = {v.name: cache(partial(plan.runnable, v)) for v in plan.variants}
    oracles = [v.name for v in plan.variants if v.family == "oracle"]
    asked = {v.name: asked_each(task.samples, gold=v.oracle) for v in plan.variants}
    n_answered = dict.fromkeys(keys, 0)

    def ask_block(name: str, samples: Sequence[Sample]) -> list[Row]:
        size = config.batch_size
        rows = answer_all(name, keys[name], make[name], samples, store, batch_size=size, asked=asked[name])
        n_answered[name] += len(rows)
        if on_progress:
            on_progress(name, n_answered[name], len(task.samples))
        return rows

    def score(samples: Sequence[Sample], rows: Sequence[Row]) -> list[float | None]:
        # Errors alone are no reason to drop a variant: they say nothing of how it answers.
        return score_variant(metrics, samples, rows)[metrics.primary]

    state = RaceState(list(keys), plan.baseline, oracles)
    order, rows, race = run_race(
        state, task.samples, ask_block, score, seed=config.seed, clusters=clusters_of(task.samples)
    )
    raced = task.model_copy(update={"samples": tuple(task.samples[i] for i in order)})
    return Answers(raced, dict(rows), race)


def _with_smaller_adapters(
    plan: ComparisonPlan, answers: Answers, store: RowStore, on_progress: Progress | None
) -> tuple[Rows, ...]:
    tuned = next((v for v in plan.variants if v.name == "tuned"), None)
    if tuned is None or not answers.complete("tuned"):
        return ()
    return tuple(
        ask(plan, tuned, f"tuned on {a.card.examples}", answers.task.samples, store, on_progress, a)
        for a in plan.smaller
        if a.card is not None
    )


def _with_replicas(
    plan: ComparisonPlan, answers: Answers, store: RowStore, on_progress: Progress | None
) -> dict[str, tuple[Rows, ...]]:
    """Of each variant that answers with the adapter, unless a race stopped asking it."""
    variants = [v for v in plan.variants if v.tuned and not v.context and answers.complete(v.name)]
    return {
        v.name: tuple(
            ask(plan, v, f"{v.name}, seed {seed_of(a)}", answers.task.samples, store, on_progress, a)
            for a in plan.replicas
        )
        for v in variants
        if plan.replicas
    }
