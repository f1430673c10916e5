"""Fields of a JSON object, with a schema or without one."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.corpus.example import Example
from domainkit.corpus.rows.jsonl import raise_errors
from domainkit.errors import DataError, Problem
from domainkit.evaluation.classical import Fit, Vectors
from domainkit.evaluation.fields.describe import described
from domainkit.evaluation.fields.form import ANY, Form, form_of, without_own_keywords
from domainkit.evaluation.fields.learnt import schema_of
from domainkit.evaluation.fields.misfit import misfit
from domainkit.evaluation.fields.objects import find_object, written
from domainkit.evaluation.fields.of_task import form_of_task, nearest
from domainkit.evaluation.kinds import Draft, Part, TaskKind
from domainkit.evaluation.task import Sample, Task
from domainkit.messages import JsonObject

WRITE = 'write the target as an object, {"name": …, "date": …}'


def _recognise(draft: Draft) -> str:
    if draft.schema is not None:
        return "a schema was given"
    targets = [s.target for s in draft.samples] + [e.target for e in draft.train]
    return "every target is a JSON object" if all(_object(t) is not None for t in targets) else ""


def _object(text: str) -> JsonObject | None:
    found = find_object(text)
    return found.fields if found.alone else None


def _complete(draft: Draft, task: Task) -> Task:
    """Targets and references as JSON in the schema's order."""
    rows = (*draft.rows, *draft.train)
    wrong = [
        row.problem(f"the target is not a JSON object: '{_short(row.target)}'", WRITE)
        for row in rows
        if _object(row.target) is None
    ]
    wrong += [
        row.problem(f"a reference is not a JSON object: '{_short(r)}'", WRITE)
        for row, sample in zip(draft.rows, draft.samples, strict=True)
        for r in sample.references[1:]
        if _object(r) is None
    ]
    if wrong:
        raise DataError(wrong)
    learnt, asked = ([_object(row.target) or {} for row in part] for part in (draft.train or draft.rows, draft.rows))
    if draft.schema is None and not any(learnt):
        raise DataError([Problem(draft.where, None, "no target has a field", WRITE)])
    schema = draft.schema or schema_of(learnt, asked)
    form = form_of(schema)
    _tell_misfits(draft, form)
    samples = tuple(_in_order(sample, form) for sample in task.samples)
    return task.model_copy(update={"json_schema": schema, "samples": samples})


def _tell_misfits(draft: Draft, form: Form) -> None:
    """Targets that no answer held to the schema can equal are named: every variant would miss them."""
    unfit = [(row, why) for row in draft.rows if (why := misfit(_object(row.target) or {}, form))]
    if unfit:
        row, why = unfit[0]
        source = "the schema" if draft.schema else f"the schema learnt from {'train' if draft.train else 'the targets'}"
        what = (
            f"{why} ({len(unfit)} of {len(draft.rows)} targets do not fit {source}: an answer held to it misses them)"
        )
        step = "correct the target or the schema (--schema FILE), or let answers be free (decoding=free)"
        raise_errors([row.problem(what, step, "warning")])


def _in_order(sample: Sample, form: Form) -> Sample:
    references = tuple(dict.fromkeys(canonical(r, form) for r in sample.references))
    return sample.model_copy(update={"target": references[0], "references": references})


def canonical(target: str, form: Form) -> str:
    """The one text of an object: its fields in the schema's order, and null for those that it must have and has not."""
    return written(_ordered(_object(target) or {}, form))


def _ordered(value: object, form: Form) -> object:
    if isinstance(value, dict):
        names = [name for name, inner in form.fields.items() if name in value or (inner.required and inner.nullable)]
        return {name: _ordered(value.get(name), form.of(name)) for name in dict.fromkeys((*names, *value))}
    if isinstance(value, list):
        return [_ordered(entry, form.items or ANY) for entry in value]
    return value


def _learnt(example: Example, task: Task) -> Example:
    if _object(example.target) is None:
        return example
    return example.with_target(canonical(example.target, form_of_task(task)))


def _constraint(task: Task) -> JsonObject:
    # An answer that is cut off, or breaks what no grammar holds, is scored as it is, and is no error.
    return {"json_schema": without_own_keywords(task.json_schema), "check_schema": False} if task.json_schema else {}


def _models(vectors: Vectors) -> dict[str, Fit]:
    from domainkit.evaluation.fields.rival.rules import fit_rules

    return {"rules, classifiers and copied spans, field by field": fit_rules}


def _commonest(targets: Sequence[str]) -> str:
    """The commonest value of each field."""
    from domainkit.evaluation.fields.rival.flat import columns_of, commonest, object_of

    columns = columns_of([_object(target) or {} for target in targets])
    return written(object_of({path: commonest(column) for path, column in columns.items()}))


def _view(sample: Sample, answer: str, task: Task) -> list[Part]:
    leaves = nearest(sample, answer, form_of_task(task))
    return [Part(leaf.path, _shown(leaf.gold), _shown(leaf.answer), leaf.status) for leaf in leaves]


def _shown(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else written(value)


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


FIELDS = TaskKind(
    name="fields",
    title=lambda labels: "fill in the fields of a JSON object",
    recognise=_recognise,
    complete=_complete,
    models=_models,
    prompt_values=lambda task: {"fields": described(form_of_task(task))},
    constraint=_constraint,
    learnt=_learnt,
    commonest=_commonest,
    noun="object",
    trivial_needs_train=True,
    metric="field_f1",
    view=_view,
)
