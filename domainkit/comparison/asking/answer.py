"""Which questions each variant is asked: all of them, or block by block in a race; and again with other adapters."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainkit.comparison.asking.asker import Asker
from domainkit.comparison.asking.spending import Spending
from domainkit.comparison.asking.versions import tell_of_versions
from domainkit.comparison.fitting.replicas import seed_of
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import Rows, score_variant
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore, asked_each
from domainkit.evaluation.task import Sample, Task, clusters_of
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
    spending: Spending | None = None
    """Of this run, up to here."""

    def complete(self, name: str) -> bool:
        """Whether the variant answered every question. One that dropped out of a race did not."""
        return None not in self.rows.get(name, (None,))


def answer_variants(plan: ComparisonPlan, file: Path, on_progress: Progress | None, since: str = "") -> Answers:
    """Every variant's answers, kept row by row in `file`: what is there already is not asked again, unless a hosted
    model gave it before `since`.

    Raises BudgetError where the budget does not pay for all of them; what was answered is kept.
    """
    with RowStore(file) as store:
        if old := store.old_rows:
            log.warning(
                "%s: %d answers of an earlier version do not say which question they answer: asked again", file, old
            )
        if since and not any(plan.asks_elsewhere(v) for v in plan.variants):
            log.warning("refresh is not used: no variant asks a model outside this process")
        asker = Asker(plan, store, on_progress, since)
        answers = (_race if plan.inputs.config.race else _ask_all)(asker)
        smaller, replicas = _with_smaller_adapters(asker, answers), _with_replicas(asker, answers)
        asker.spending.check()
        tell_of_versions(plan.variants, answers.rows)
        return Answers(answers.task, answers.rows, answers.race, smaller, replicas, asker.spending)


def _ask_all(asker: Asker) -> Answers:
    task = asker.plan.inputs.task
    return Answers(task, {v.name: asker.ask(v, v.name, task.samples) for v in asker.plan.variants}, None)


def _race(asker: Asker) -> Answers:
    """Block by block, until every difference is clear or no question is left."""
    plan = asker.plan
    task, config, metrics = plan.inputs.task, plan.inputs.config, plan.inputs.metrics.primary_only
    variants = {v.name: v for v in plan.variants}
    oracles = [v.name for v in plan.variants if v.family == "oracle"]
    digests = {v.name: asked_each(task.samples, gold=v.oracle) for v in plan.variants}
    n_answered = dict.fromkeys(variants, 0)

    def ask_block(name: str, samples: Sequence[Sample]) -> list[Row]:
        found = asker.ask(variants[name], name, samples, digests=digests[name], quiet=True)
        asker.spending.check()  # a race compares all variants on the same questions: it cannot go on without one
        rows = [row for row in found if row is not None]
        n_answered[name] += len(rows)
        if asker.on_progress:
            asker.on_progress(name, n_answered[name], len(task.samples))
        return rows

    def score(samples: Sequence[Sample], rows: Sequence[Row]) -> list[float | None]:
        # Errors alone are no reason to drop a variant: they say nothing of how it answers.
        return score_variant(metrics, samples, rows)[metrics.primary]

    state = RaceState(list(variants), plan.baseline, oracles)
    order, rows, race = run_race(
        state, task.samples, ask_block, score, seed=config.seed, clusters=clusters_of(task.samples)
    )
    raced = task.model_copy(update={"samples": tuple(task.samples[i] for i in order)})
    return Answers(raced, dict(rows), race)


def _with_smaller_adapters(asker: Asker, answers: Answers) -> tuple[Rows, ...]:
    tuned = next((v for v in asker.plan.variants if v.name == "tuned"), None)
    if tuned is None or not answers.complete("tuned"):
        return ()
    return tuple(
        asker.ask(tuned, f"tuned on {a.card.examples}", answers.task.samples, a)
        for a in asker.plan.smaller
        if a.card is not None
    )


def _with_replicas(asker: Asker, answers: Answers) -> dict[str, tuple[Rows, ...]]:
    """Of each variant that answers with the adapter, unless a race stopped asking it."""
    plan = asker.plan
    variants = [v for v in plan.variants if v.tuned and not v.context and answers.complete(v.name)]
    return {
        v.name: tuple(asker.ask(v, f"{v.name}, seed {seed_of(a)}", answers.task.samples, a) for a in plan.replicas)
        for v in variants
        if plan.replicas
    }
