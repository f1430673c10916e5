"""What the student is to learn: the kind of task, its labels, its schema, and examples of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.corpus.read_files import examples_of
from domainkit.corpus.rows.columns import Columns, columns_for
from domainkit.corpus.rows.open_rows import RowsGiven
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.distillation.config import DistilConfig
from domainkit.errors import ConfigError
from domainkit.evaluation.kinds import Draft, kind_of
from domainkit.evaluation.kinds.label import read_labels
from domainkit.evaluation.read_questions import AskedRow
from domainkit.evaluation.read_task import read_schema, read_task
from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.messages import JsonObject
from domainkit.results.variants import VariantsRecord

Labels = Sequence[str] | str | Path
Schema = JsonObject | str | Path


@dataclass(frozen=True)
class LearntTask:
    """The task without its questions."""

    task: Task
    examples: tuple[Example, ...] = ()
    """Solved by people, or by whoever wrote --like."""
    source: str = ""
    """Where the kind is known from, as messages name it."""


def learnt_task(
    like: RowsGiven | None,
    config: DistilConfig,
    columns: Columns | None,
    labels: Labels | None,
    schema: Schema | None,
    tools: Sequence[JsonObject],
    record: VariantsRecord | None,
) -> LearntTask:
    """The task of the solved examples `like`, else the one that the options name, else that of the teacher's own run.

    Raises ConfigError where nothing tells the kind, and DataError for faulty rows.
    """
    if like is not None:
        named = columns_for(like, columns)
        task = read_task(like, kind=config.kind, labels=labels, schema=schema, columns=named, tools=list(tools) or None)
        about = kind_of(task.kind)
        examples = examples_of(like, named, tools=tools)
        solved = tuple(about.learnt(e, task) for e in examples if e.prompt[-1].role != "tool")
        return LearntTask(task.model_copy(update={"samples": ()}), solved, task.source)
    if config.kind is None and record is not None:
        if labels is not None or schema is not None:
            what = "the teacher's run says what its task is, and labels or a schema are given beside it"
            raise ConfigError(what, next_step="leave them out, or name the kind of task, too: --kind")
        return LearntTask(
            _task(record.kind, tuple(record.labels), record.json_schema, "as the teacher's run has it"),
            source="the teacher's run",
        )
    if config.kind is None:
        what = "nothing says what kind of task the questions are"
        next_step = "give solved examples (--like train.jsonl), or name the kind: --kind label --labels labels.json"
        raise ConfigError(what, where="kind", next_step=next_step)
    return LearntTask(_named(config.kind, labels, schema), source="the options")


def _named(kind: Kind, labels: Labels | None, schema: Schema | None) -> Task:
    if labels is not None and kind not in ("label", "labels"):
        what = f"labels are given, and the task is of the kind '{kind}'"
        raise ConfigError(what, where="labels", next_step="leave them out, or name the kind label or labels")
    if kind in ("label", "labels") and labels is None:
        raise ConfigError("nothing names the labels", where="labels", next_step="give --labels labels.json, or --like")
    if kind == "fields" and schema is None:
        raise ConfigError("nothing names the fields", where="schema", next_step="give --schema FILE, or --like")
    names = read_labels(Path(), labels)[0] if labels is not None else ()
    return _task(kind, names, read_schema(schema, kind), "as asked for")


def _task(kind: Kind, labels: tuple[str, ...], schema: JsonObject | None, why: str) -> Task:
    return Task(name="distil", kind=kind, samples=(), labels=labels, json_schema=schema, fingerprint="", why_kind=why)


def in_task_form(rows: Sequence[AskedRow], learnt: LearntTask, where: str) -> list[Sample]:
    """The questions' samples; the targets of those that have one in the one form of the kind.

    Raises DataError with every target that is not of the kind, and for tools where no answer is a call.
    """
    task, about = learnt.task, kind_of(learnt.task.kind)
    if task.kind != "calls":
        refuse_tools([row.example for row in rows], f"a task of the kind {task.kind}")
    known = [row for row in rows if row.is_answered]
    samples = [row.sample for row in rows]
    if not known:
        return samples
    draft = Draft(
        where,
        Path(where),
        tuple(row.example for row in known),
        tuple(row.sample for row in known),
        labels=task.labels,
        labels_origin=learnt.source,
        schema=task.json_schema,
    )
    complete = about.complete(draft, task.model_copy(update={"samples": draft.samples}))
    formed = {sample.id: sample for sample in complete.samples}
    return [formed.get(sample.id, sample) for sample in samples]
