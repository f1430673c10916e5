"""How a file of questions becomes a Task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.corpus.read_files import refuse_documents
from domainkit.corpus.rows.columns import Columns, columns_for
from domainkit.corpus.rows.examples import ExampleReader, scan_examples
from domainkit.corpus.rows.jsonl import RowError, parse_id, parse_text_list, raise_errors
from domainkit.corpus.rows.open_questions import NO_ANSWER
from domainkit.corpus.rows.open_rows import name_of
from domainkit.corpus.rows.synthetic import MARK, synthetic_mark
from domainkit.corpus.rows.tools import ToolsGiven, read_tools
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.evaluation.kinds import KINDS, Draft, kind_of, recognise
from domainkit.evaluation.kinds.label import Listed, labels_beside, read_labels, unused_labels
from domainkit.evaluation.kinds.labels import texts_of
from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.messages import JsonObject, Message
from domainkit.registry import suggestion
from domainkit.storage import parse_json, read_bytes, sha256_lines

DIVIDED = "split.json"
"""Beside rows that were divided: how, and the name of what they are of."""


def read_task(
    path: object,
    *,
    train: object = None,
    kind: Kind | None = None,
    labels: Sequence[str] | str | Path | None = None,
    schema: JsonObject | str | Path | None = None,
    name: str | None = None,
    columns: Columns | None = None,
    tools: ToolsGiven | None = None,
) -> Task:
    """The test questions of whatever `read_examples` reads: a file, `hf:owner/name`, a `datasets.Dataset`, a list of
    dicts. One question per row, in any layout of `domainkit.corpus.rows.layouts`, or in that of `columns`.

    Rows may add `references` (more right answers), `doc_ids`, `group` or `kind`, and `conversation_id`, which is the
    same for questions of one conversation; other fields go to `meta`, and a missing id is made from the row's number.
    Turns before the question are its earlier turns. `train` is read to tell the kinds of task apart; `kind` decides it
    instead.
    `labels` is the list of labels or the JSON file of one; left out, a labels.json beside `path`, and else the targets
    themselves. A labels.json that lists fewer than half of the targets belongs to another task and is ignored.
    `tools` are those of rows that bring none: a list, or the JSON file of one. `schema` is the JSON Schema of the
    objects of a task of the kind fields, or its file; left out, it is learnt from train. Raises DataError with every
    faulty row: malformed, with a repeated id, or with a target that is not of the task's kind.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"unknown kind of task '{kind}'", next_step=suggestion(str(kind), KINDS))
    refuse_documents(path)
    refuse_documents(train)
    draft = _draft(path, train, kind, labels, columns, read_tools(tools))
    draft = replace(draft, schema=read_schema(schema, kind))
    decided, why = (kind_of(kind), "as asked for") if kind else recognise(draft)
    if decided.name != "text" and draft.samples and not any(s.references for s in draft.samples):
        what = f"no row has a target, and a task of the kind {decided.name} is scored by them"
        raise DataError([Problem(draft.where, None, what, "add the field 'target', or say that the kind is text")])
    if labels is not None and decided.name not in ("label", "labels"):
        what = f"labels are given, and the task is of the kind '{decided.name}' ({why})"
        raise ConfigError(what, where="labels", next_step="leave the labels out, or name the kind label or labels")
    if decided.name != "calls":
        refuse_tools(draft.rows, f"a task of the kind {decided.name}")
    if kind is None and labels is None and not draft.labels:
        _tell_unused_labels(draft, decided.name)
    if kind is None and decided.name in ("label", "answer", "text"):
        _tell_targets_as_text(draft, decided.name)
    task = Task(
        name=name or _task_name(draft.file),
        kind=decided.name,
        samples=draft.samples,
        fingerprint="",
        source=draft.where,
        why_kind=why,
        columns=dict(columns_for(path, columns) or {}),
    )
    task = decided.complete(draft, task)
    return task.model_copy(update={"fingerprint": sha256_lines(s.content for s in task.samples)})


def _draft(
    path: object,
    train: object,
    kind: Kind | None,
    labels: object,
    columns: Columns | None,
    tools: Sequence[JsonObject],
) -> Draft:
    where = name_of(path)
    file = Path(where)
    rows, samples = _read_rows(path, file.stem, columns_for(path, columns), tools)
    # Whoever trains on these rows, or shows them to the model, is told what of them is not read.
    train_rows, problems = scan_examples(train, columns_for(train, columns), tools) if train is not None else ([], [])
    raise_errors([p for p in problems if p.severity == "error"])
    names, origin = _listed(file, samples, kind, labels)
    return Draft(where, file, tuple(rows), tuple(samples), tuple(train_rows), names, origin)


def read_schema(given: JsonObject | str | Path | None, kind: Kind | None) -> JsonObject | None:
    """Raises ConfigError and DataError."""
    if given is None:
        return None
    if kind not in (None, "fields"):
        raise ConfigError(
            f"a schema is given, and the task is of the kind '{kind}'",
            where="schema",
            next_step="leave the schema out, or name the kind fields",
        )
    if isinstance(given, dict):
        return given
    try:
        found = parse_json(read_bytes(Path(given)))
    except (OSError, ValueError) as e:
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise DataError([Problem(str(given), None, f"cannot be read: {reason}", "write a JSON Schema")]) from e
    if not isinstance(found, dict):
        what = "is not a JSON Schema: it is not an object"
        raise DataError([Problem(str(given), None, what, 'write {"type": "object", "properties": {…}}')])
    return found


def _listed(file: Path, samples: Sequence[Sample], kind: Kind | None, labels: object) -> Listed:
    if kind not in (None, "label", "labels"):
        return (), ""
    if labels is None and kind is None and any(s.tools for s in samples):
        return (), ""  # a labels.json in the folder is another task's
    if labels is None and kind is None:
        return labels_beside(file, _parts(samples))
    return read_labels(file, labels)  # type: ignore[arg-type]


def _parts(samples: Sequence[Sample]) -> list[str]:
    """The targets; of lists, their members."""
    return [part for s in samples for part in texts_of(s.target) or [s.target]]


def _tell_targets_as_text(draft: Draft, kind: Kind) -> None:
    """Lists and objects among other targets are compared as texts, which is seldom what was meant."""
    lists = [row for row, s in zip(draft.rows, draft.samples, strict=True) if _is_json(s.target)]
    if lists:
        what = f"the target is a list or an object ({len(lists)} of {len(draft.rows)} are), and is compared as its text"
        step = f"write all targets in one form, or say kind=labels or kind=fields; kind={kind} says that text is meant"
        raise_errors([lists[0].problem(what, step, "warning")])


def _is_json(target: str) -> bool:
    if target[:1] not in ("[", "{"):
        return False
    try:
        return isinstance(parse_json(target), list | dict)
    except ValueError:
        return False


def _tell_unused_labels(draft: Draft, kind: Kind) -> None:
    """Not where the file is another task's: no target is listed, and the task is not to choose one label."""
    unused = unused_labels(draft.file, _parts(draft.samples), one_each=kind == "label")
    raise_errors([unused] if unused else [])


def _task_name(path: Path) -> str:
    """The folder's name for banking77/test.jsonl, which says more than "test", or what the folder says it holds;
    otherwise the file's."""
    if path.stem not in ("test", "dev", "eval", "validation"):
        return path.stem
    try:
        said = parse_json(read_bytes(path.with_name(DIVIDED))).get("name")
    except (OSError, ValueError, AttributeError):
        said = None
    return said if isinstance(said, str) and said.strip() else path.resolve().parent.name


def _read_rows(
    given: object, stem: str, columns: Columns | None, tools: Sequence[JsonObject]
) -> tuple[list[Example], list[Sample]]:
    """The rows as examples and as samples, one for one. Raises DataError with every faulty row."""
    examples: list[Example] = []
    problems: list[Problem] = []
    samples: list[Sample] = []
    first: dict[str, Example] = {}
    reader = ExampleReader(given, columns, tools=tools, open_questions=True)
    reader.unread.are_learnt = False
    for item in reader:
        if isinstance(item, Problem):
            problems.append(item)
            continue
        example = item.example
        try:
            example = with_first_reference(example, item.row)
            examples.append(example)
            sample = sample_of(example, item.row, default_id=f"{stem}-{item.number}")
        except RowError as e:
            problems.append(example.problem(e.what, e.next_step))
            continue
        earlier = first.setdefault(sample.id, example)
        if earlier is not example:
            what = f"the id '{sample.id}' is already on {earlier.unit or 'line'} {earlier.line}"
            problems.append(example.problem(what, "give each row an id of its own, or leave ids out"))
        samples.append(sample)
    problems += _unanswered(examples)
    raise_errors(sorted(problems, key=lambda p: p.line or 0))
    return examples, samples


def with_first_reference(example: Example, row: JsonObject) -> Example:
    """A row that has references and no target: the first of them is its target. Raises RowError."""
    references = _references(row.get("references"))
    if example.target != NO_ANSWER or not references:
        return example
    return example.model_copy(update={"turns": (*example.prompt, Message("assistant", references[0]))})


def _unanswered(examples: Sequence[Example]) -> list[Problem]:
    """The rows without an answer, where others have one."""
    open_rows = [example for example in examples if example.target == NO_ANSWER]
    if len(open_rows) == len(examples):
        return []
    next_step = "fill the target in, or delete the row; only a task of the kind text may have none, in no row at all"
    return [row.problem("has no target, and other rows have one", next_step) for row in open_rows]


_READ_FIELDS = {
    "id",
    "input",
    "target",
    "prompt",
    "completion",
    "messages",
    "system",
    "references",
    "doc_ids",
    "group",
    "tools",
    "conversation_id",
}


def sample_of(example: Example, row: JsonObject, default_id: str) -> Sample:
    """Raises RowError."""
    system = next((turn.content for turn in example.prompt if turn.role == "system"), None)
    *earlier, last = [turn for turn in example.prompt if turn.role != "system"]
    if last.role != "user":
        raise RowError(
            f"the turn before the answer is the {last.role}'s, not the user's",
            "end the row with the user's question and its answer",
        )
    group = row.get("group", row.get("kind"))
    meta = {field: value for field, value in row.items() if field not in _READ_FIELDS}
    if marked := synthetic_mark(row):
        meta[MARK] = marked  # a table may spell it "TRUE"
    own = () if example.target == NO_ANSWER else (example.target,)
    references = tuple(dict.fromkeys((*own, *_references(row.get("references")))))
    return Sample(
        id=example.id or default_id,
        input=last.content,
        target=references[0] if references else "",
        references=references,
        system=system,
        turns=tuple(earlier),
        tools=example.tools,
        conversation=parse_id(row.get("conversation_id"), "conversation_id"),
        doc_ids=example.doc_ids,
        group=None if group is None else str(group),
        meta=meta,
    )


def _references(value: object) -> tuple[str, ...]:
    """More right answers: texts, or lists and objects, which become their JSON. Raises RowError."""
    if isinstance(value, list):
        value = [json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for v in value]
    return parse_text_list(value, "references")
