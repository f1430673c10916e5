"""A few questions one at a time: how long a user waits for a single answer."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path

from domainkit.comparison.asking.call_runnable import now, question_of, read_usage
from domainkit.comparison.asking.spending import Spending
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.corpus.example import Example
from domainkit.errors import FOREIGN_ERRORS
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore
from domainkit.evaluation.task import Sample, Task
from domainkit.evaluation.variant import Answerer, Variant
from domainkit.messages import JsonObject
from domainkit.storage import sha256_json

log = logging.getLogger("domainkit")


def time_variants(
    plan: ComparisonPlan,
    task: Task,
    file: Path,
    on_progress: Progress | None,
    spending: Spending | None = None,
    since: str = "",
) -> dict[str, list[float]]:
    """Seconds of single answers by variant, kept in `file`. `spending` is that of the run: a question that its budget
    does not pay for is not timed. Of hosted models, what was timed before `since` is timed again.

    The order of the variants is drawn anew for each question, so that drift of the machine's speed affects all alike.
    """
    # Training questions: the prompt of a test question may still be in the prefix cache.
    questions: list[str | JsonObject] = [_asked(e) for e in plan.inputs.solved]
    questions = questions or [question_of(s) for s in task.samples]
    turns, keys = _turns(plan, questions), {v.name: plan.key(v) for v in plan.variants}
    elsewhere = {v.name for v in plan.variants if plan.asks_elsewhere(v)}
    with RowStore(file) as store:
        for name in elsewhere:
            store.forget(keys[name], since)
        todo = [(i, q, v) for i, q, v in turns if sha256_json(q) not in store.finished(keys[v.name])]
        runnables = {name: plan.runnable(v) for name, v in {v.name: v for _, _, v in todo}.items()}
        for name, runnable in runnables.items():
            if name not in elsewhere:  # another machine has loaded its model, and may be paid
                _warm(runnable, questions[0])
        unpaid = set()
        for done, (i, question, variant) in enumerate(todo, 1):
            key = keys[variant.name]
            if spending and not spending.has_room(key, 0):
                unpaid.add(variant.name)
                continue
            row = Row(key=key, variant=variant.name, id=i, question=sha256_json(question), asked=now())
            # Checked again: an error's text may hold half a surrogate pair.
            row = Row.model_validate({**row.model_dump(), **_timed(runnables[variant.name], question)})
            store.append([row])
            if spending and row.error is None:
                spending.charge(key, row)
            if on_progress:
                on_progress("one at a time", done, len(todo))
        if unpaid:
            log.warning("the budget does not pay for the timing of %s", ", ".join(sorted(unpaid)))
        rows = {name: store.finished(key) for name, key in keys.items()}
    timed = [(v.name, rows[v.name].get(sha256_json(q))) for _, q, v in turns]
    return {n: [r.seconds for name, r in timed if name == n and r and r.seconds is not None] for n in keys}


def _asked(example: Example) -> str | JsonObject:
    """With its earlier turns and its tools, which make a prompt longer."""
    *earlier, last = (t for t in example.prompt if t.role != "system")
    turns = tuple(earlier) if last.role == "user" else ()
    return question_of(
        Sample(id="", input=example.question, target="", references=("",), turns=turns, tools=example.tools)
    )


def _turns(plan: ComparisonPlan, questions: Sequence[str | JsonObject]) -> list[tuple[str, str | JsonObject, Variant]]:
    """(row id, question, variant) in the order in which they are timed."""
    config = plan.inputs.config
    rng = random.Random(config.seed)
    sample = rng.sample(questions, min(config.latency_items, len(questions)))
    return [(str(i), q, v) for i, q in enumerate(sample) for v in rng.sample(plan.variants, len(plan.variants))]


def _timed(runnable: Answerer, question: str | JsonObject) -> JsonObject:
    start = time.perf_counter()
    try:
        output = runnable.invoke(question)
    except FOREIGN_ERRORS as e:  # a variant that fails is a result of the comparison, not its end
        return {"error": f"{type(e).__name__}: {e}"}
    return {"seconds": time.perf_counter() - start, **read_usage(getattr(output, "usage_metadata", None) or {})}


def _warm(runnable: Answerer, question: str | JsonObject) -> None:
    """Load what is loaded once, so that the first timed question does not pay for it."""
    with contextlib.suppress(*FOREIGN_ERRORS):
        runnable.invoke(question)
