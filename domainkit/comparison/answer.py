"""Stages 2 and 3 of a comparison: every variant answers every question, then a few one at a time. Resumable row by row."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from domainkit.comparison.call_runnable import Late, Progress, answer_all, ask_one
from domainkit.comparison.plan import Plan
from domainkit.comparison.score import score_rows
from domainkit.evaluation.answers_on_disk import Row, RowStore
from domainkit.evaluation.classical import fit_classical
from domainkit.evaluation.task import Sample, Task, clusters_of
from domainkit.evaluation.variant import Variant
from domainkit.results.schema import Race
from domainkit.statistics.racing import Course, run_race


def answer_variants(
    plan: Plan, store: RowStore, on_progress: Progress | None
) -> tuple[Plan, dict[str, list[Row | None]], Race | None]:
    """Stage 2: every variant × every item, resumable row by row. After a race the plan's task holds the questions asked, in the
    order asked."""
    task, config = plan.material.task, plan.material.config
    if config.race:
        return race_variants(plan, store, on_progress)
    rows: dict[str, list[Row | None]] = {}
    for variant in plan.variants:
        key = plan.key(variant)
        runnable = None if _answered(store, key, task) else runnable_of(plan, variant)
        rows[variant.name] = list(
            answer_all(
                variant.name, key, runnable, task.samples, store, batch_size=config.batch_size, on_progress=on_progress
            )
        )
    return plan, rows, None


def race_variants(
    plan: Plan, store: RowStore, on_progress: Progress | None
) -> tuple[Plan, dict[str, list[Row | None]], Race]:
    """Stage 2, raced: block by block, until every difference is clear or no question is left."""
    task, config = plan.material.task, plan.material.config
    keys = {v.name: plan.key(v) for v in plan.variants}
    runnables = {v.name: Late(functools.partial(runnable_of, plan, v)) for v in plan.variants}
    done = dict.fromkeys(keys, 0)

    def ask(name: str, samples: Sequence[Sample]) -> list[Row]:
        size, runnable = config.batch_size, runnables[name]
        answered = answer_all(name, keys[name], runnable, samples, store, batch_size=size)
        done[name] += len(answered)
        if on_progress:
            on_progress(name, done[name], len(task.samples))
        return answered

    def score(samples: Sequence[Sample], rows: Sequence[Row]) -> list[float | None]:
        return score_rows(plan.metrics, samples, rows)[plan.metrics.primary]

    bounds = [v.name for v in plan.variants if v.family == "oracle"]
    course = Course(list(keys), plan.baseline, bounds)
    order, rows, race = run_race(course, task.samples, ask, score, seed=config.seed, clusters=clusters_of(task.samples))
    asked = task.model_copy(update={"samples": tuple(task.samples[i] for i in order)})
    return replace(plan, material=replace(plan.material, task=asked)), rows, race


def _answered(store: RowStore, key: str, task: Task) -> bool:
    """A finished variant loads no model."""
    return store.finished(key).keys() >= {s.id for s in task.samples}


def runnable_of(plan: Plan, variant: Variant) -> Any:
    """What answers for the variant."""
    if variant.family == "classical" and variant.runnable is None:
        return _Classical(fit_classical(plan.material.task.kind, plan.material.examples))
    return plan.chain(variant)


class _Classical:
    """A fitted classical model in a Runnable's form."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def invoke(self, question: Any) -> str:
        return self._answer([_text(question)])[0]

    def batch(self, questions: Sequence[Any], config: Any = None, *, return_exceptions: bool = False) -> list[str]:
        return self._answer([_text(q) for q in questions])


def _text(question: Any) -> str:
    return question["question"] if isinstance(question, dict) else question


def time_variants(plan: Plan, store: RowStore, on_progress: Progress | None) -> dict[str, list[float]]:
    """Stage 3: a few questions one at a time, the order of variants drawn anew for each, so that drift of the machine's speed
    falls on all alike.

    Training questions are asked: a test question's prompt may still lie in the prefix cache, which would flatter.
    """
    task, config = plan.material.task, plan.material.config
    questions = [e.question for e in plan.material.examples] or [s.input for s in task.samples]
    rng = random.Random(config.seed)
    chosen = rng.sample(questions, min(config.latency_items, len(questions)))
    asked = [(str(i), q, v) for i, q in enumerate(chosen) for v in rng.sample(plan.variants, len(plan.variants))]
    keys = {v.name: plan.key(v) for v in plan.variants}
    todo = [(i, q, v) for i, q, v in asked if i not in store.finished(keys[v.name])]
    runnables = {name: runnable_of(plan, v) for name, v in {v.name: v for _, _, v in todo}.items()}
    for runnable in runnables.values():
        _warm(runnable, questions[0])
    for done, (i, question, variant) in enumerate(todo, 1):
        row = Row(key=keys[variant.name], variant=variant.name, id=i)
        try:
            store.append([row.model_copy(update={"seconds": ask_one(runnables[variant.name], question)})])
        except Exception as e:
            store.append([row.model_copy(update={"error": f"{type(e).__name__}: {e}"})])
        if on_progress:
            on_progress("one at a time", done, len(todo))
    found = {name: store.finished(key) for name, key in keys.items()}
    return {name: [r.seconds for r in rows.values() if r.seconds is not None] for name, rows in found.items()}


def _warm(runnable: Any, question: Any) -> None:
    """Load what is loaded once, so that the first timed question does not pay for it."""
    with contextlib.suppress(Exception):
        runnable.invoke(question)


__all__ = ["answer_variants", "runnable_of", "time_variants"]
