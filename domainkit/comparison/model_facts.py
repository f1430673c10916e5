"""What the results say of each model, where several answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domainkit.comparison.planning.models import BASE
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import Rows, text_of
from domainkit.evaluation.fields.objects import find_object
from domainkit.evaluation.metrics.label import label_parser
from domainkit.evaluation.metrics.labels import labels_parser
from domainkit.evaluation.task import Task
from domainkit.llm.named_model import model_name, runs_here
from domainkit.results.models import ModelFacts
from domainkit.results.schema import Estimate
from domainkit.statistics.intervals import estimate


def model_facts(plan: ComparisonPlan, task: Task, rows: Mapping[str, Rows]) -> tuple[ModelFacts, ...]:
    """The base and the named models that variants ran on; empty where the base alone did. `rows` are the answers by
    variant."""
    if not any(v.model for v in plan.variants):
        return ()
    used = dict.fromkeys(v.model for v in plan.variants if v.uses_llm)
    return tuple(_facts(plan, task, rows, name) for name in sorted(used, key=lambda n: n is not None))


def _facts(plan: ComparisonPlan, task: Task, rows: Mapping[str, Rows], name: str | None) -> ModelFacts:
    own = [rows[v.name] for v in plan.variants if v.uses_llm and v.model == name]
    answered = [row for column in own for row in column if row is not None]
    dates = [row.asked[:10] for row in answered if row.asked]
    given = plan.inputs.models[name] if name is not None else None
    spec = given.spec or given.model.name if given is not None else model_name(plan.base_llm)
    local = given.model.is_local if given is not None else runs_here(plan.base_llm)
    reported = [] if local else [row.model_version for row in answered]
    return ModelFacts(
        name=name or BASE,
        spec=spec,
        given=given is not None and given.spec is None,
        local=local,
        versions=tuple(dict.fromkeys(version for version in reported if version)),
        asked_from=min(dates, default=""),
        asked_to=max(dates, default=""),
        held=plan.held_by(name),
        unreadable=_unreadable(task, own),
        failures=sum(row.error is not None for row in answered),
    )


def _unreadable(task: Task, columns: Sequence[Rows]) -> Estimate | None:
    """The answers to one question are no independent ones: they count as one cluster."""
    is_readable = readable(task)
    if is_readable is None:
        return None
    pairs = [
        (float(not is_readable(text_of(row))), sample.id)
        for column in columns
        for sample, row in zip(task.samples, column, strict=True)
        if row is not None and row.error is None
    ]
    return estimate([share for share, _ in pairs], clusters=[item for _, item in pairs])


def readable(task: Task) -> Callable[[str], bool] | None:
    """Whether an answer is of the task's form; None where any text is."""
    if task.kind == "label":
        parse = label_parser(task.labels)
        return lambda text: parse(text) is not None
    if task.kind == "labels":
        parse_all = labels_parser(task.labels)
        return lambda text: parse_all(text).readable
    return (lambda text: find_object(text).fields is not None) if task.kind == "fields" else None
