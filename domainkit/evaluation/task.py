"""Task: the questions a comparison is about, and how a file of them is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.read_files import refuse_documents
from domainkit.corpus.rows.columns import Columns, columns_for
from domainkit.corpus.rows.examples import ExampleReader, scan_examples
from domainkit.corpus.rows.jsonl import RowError, parse_text_list, raise_errors
from domainkit.corpus.rows.open_rows import name_of
from domainkit.corpus.rows.synthetic import MARK, synthetic_mark
from domainkit.corpus.rows.turns import refuse_tools
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.messages import JsonObject
from domainkit.registry import suggestion
from domainkit.storage import parse_json, read_bytes, sha256_lines

Kind = Literal["label", "answer"]

LABELS_FILE = "labels.json"
GIVEN = "the labels given"
ROWS_PER_LABEL = 4
"""Targets count as labels when each is, on average, on at least this many rows."""


class Sample(BaseModel):
    """One question."""

    model_config = ConfigDict(frozen=True)

    id: str
    input: str
    target: str
    references: tuple[str, ...]
    """All right answers; the target is the first."""
    system: str | None = None
    doc_ids: tuple[str, ...] = ()
    """The gold documents, if known."""
    group: str | None = None
    """A part of the questions that the report scores separately: the row's `group`, else its `kind`."""
    meta: JsonObject = {}
    """The row's other fields, which are JSON values."""

    @property
    def synthetic(self) -> bool:
        """Whether a model wrote the question, not a person: the row's mark `"synthetic": true`."""
        return self.meta.get(MARK) is True

    @property
    def writer(self) -> str:
        """The model that wrote a synthetic question; "" where the row does not say."""
        return str(self.meta.get("writer") or "") if self.synthetic else ""


class Task(BaseModel):
    """The questions of a comparison."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    """"label": each target is one of `labels`; "answer": free short text."""
    samples: tuple[Sample, ...]
    labels: tuple[str, ...] = ()
    fingerprint: str
    """SHA-256 of the rows."""
    source: str = ""
    """The file."""
    why_kind: str = ""
    """How the kind was decided."""
    columns: dict[str, str] = {}
    """Our fields to the file's columns, where they were named."""


@dataclass(frozen=True)
class _Labels:
    """Allowed targets, and where they come from, for messages. Empty where none are listed."""

    names: tuple[str, ...] = ()
    origin: str = ""


def read_task(
    path: object,
    *,
    train: object = None,
    kind: Kind | None = None,
    labels: Sequence[str] | str | Path | None = None,
    name: str | None = None,
    columns: Columns | None = None,
) -> Task:
    """The test questions of whatever `read_examples` reads: a file, `hf:owner/name`, a `datasets.Dataset`, a list of
    dicts. One question per row, in any layout of `domainkit.corpus.rows.layouts`, or in that of `columns`.

    Rows may add `references` (more right answers), `doc_ids`, `group` or `kind`; other fields go to `meta`, and a
    missing id is made from the row's number. `train` is read to tell label tasks from free answers; `kind` decides it
    instead.
    `labels` is the list of labels or the JSON file of one; left out, a labels.json beside `path`, and else the targets
    themselves. A labels.json that lists fewer than half of the targets belongs to another task and is ignored. Raises
    DataError with every faulty row: malformed, with a repeated id, or with a target that is not a label.
    """
    where = name_of(path)
    file = Path(where)
    if kind not in (None, "label", "answer"):
        raise ConfigError(f"unknown kind of task '{kind}'", next_step=suggestion(str(kind), ("label", "answer")))
    refuse_documents(path)
    refuse_documents(train)
    named, columns = columns, columns_for(path, columns)
    examples, samples = _read_rows(path, file.stem, columns)
    # Whoever trains on these rows, or shows them to the model, is told what of them is not read.
    train_rows, problems = scan_examples(train, columns_for(train, named)) if train is not None else ([], [])
    raise_errors([p for p in problems if p.severity == "error"])
    listed = _listed_labels(file, labels) if kind != "answer" else _Labels()
    if listed.names and labels is None and kind is None and _share(samples, listed.names) < 0.5:
        # The labels of another task in the same folder, or this one's in another spelling.
        what = "lists fewer than half of the targets, letter by letter, and is not used"
        next_step = f"give the task's own labels (labels=, or in {LABELS_FILE}), or delete it"
        raise_errors([Problem(listed.origin, None, what, next_step, "warning")])
        listed = _Labels()
    decided, why = (kind, "as asked for") if kind else _infer_kind(samples, train_rows, listed)
    allowed = _Labels()
    if decided == "label":
        allowed = listed if listed.names else _labels_from_targets(samples, train_rows)
        _check_labels(where, examples, samples, train_rows if listed.names else [], allowed)
    return Task(
        name=name or _task_name(file),
        kind=decided,
        samples=tuple(samples),
        labels=allowed.names,
        fingerprint=sha256_lines(sample.model_dump_json() for sample in samples),
        source=where,
        why_kind=why,
        columns=dict(columns or {}),
    )


def _task_name(path: Path) -> str:
    """The folder's name for banking77/test.jsonl, which says more than "test"; otherwise the file's."""
    return path.resolve().parent.name if path.stem in ("test", "dev", "eval", "validation") else path.stem


def _read_rows(given: object, stem: str, columns: Columns | None) -> tuple[list[Example], list[Sample]]:
    """The rows as examples and as samples, one for one. Raises DataError with every faulty row."""
    examples: list[Example] = []
    problems: list[Problem] = []
    samples: list[Sample] = []
    first: dict[str, Example] = {}
    for item in ExampleReader(given, columns):
        if isinstance(item, Problem):
            problems.append(item)
            continue
        example = item.example
        examples.append(example)
        try:
            sample = _sample(example, item.row, default_id=f"{stem}-{item.number}")
        except RowError as e:
            problems.append(example.problem(e.what, e.next_step))
            continue
        earlier = first.setdefault(sample.id, example)
        if earlier is not example:
            what = f"the id '{sample.id}' is already on {example.unit or 'line'} {earlier.line}"
            problems.append(example.problem(what, "give each row an id of its own, or leave ids out"))
        samples.append(sample)
    raise_errors(sorted(problems, key=lambda p: p.line or 0))
    refuse_tools(examples, "a comparison")
    return examples, samples


_READ_FIELDS = {"id", "input", "target", "prompt", "completion", "messages", "system", "references", "doc_ids", "group"}


def _sample(example: Example, row: JsonObject, default_id: str) -> Sample:
    """Raises RowError."""
    system = next((turn.content for turn in example.prompt if turn.role == "system"), None)
    if sum(turn.role != "system" for turn in example.prompt) > 1:
        raise RowError(
            "has earlier turns; a test row is one question and its answer",
            "split it, or put what matters in the question",
        )
    group = row.get("group", row.get("kind"))
    references = parse_text_list(row.get("references"), "references")
    meta = {field: value for field, value in row.items() if field not in _READ_FIELDS}
    if marked := synthetic_mark(row):
        meta[MARK] = marked  # a table may spell it "TRUE"
    return Sample(
        id=example.id or default_id,
        input=example.question,
        target=example.target,
        references=tuple(dict.fromkeys((example.target, *references))),
        system=system,
        doc_ids=example.doc_ids,
        group=None if group is None else str(group),
        meta=meta,
    )


def _listed_labels(path: Path, labels: Sequence[str] | str | Path | None) -> _Labels:
    """The labels given, or those of the labels.json beside `path`."""
    if labels is not None and not isinstance(labels, str | Path):
        given = sorted(labels) if isinstance(labels, set | frozenset) else list(labels)
        _check_names(given, GIVEN)
        return _Labels(tuple(dict.fromkeys(given)), GIVEN)
    file = Path(labels) if labels is not None else path.parent / LABELS_FILE
    if labels is None and not file.exists():
        return _Labels()
    try:
        names = parse_json(read_bytes(file))
    except (OSError, ValueError) as e:
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise DataError(
            [Problem(str(file), None, f"cannot be read: {reason}", 'write a JSON list: ["label", …]')]
        ) from e
    _check_names(names, str(file))
    return _Labels(tuple(dict.fromkeys(names)), str(file))


def _is_label(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip()) and not re.search("[\ud800-\udfff]", name)


def _check_names(names: object, origin: str) -> None:
    if not isinstance(names, list) or not names or not all(map(_is_label, names)):
        what = "is not a list of non-empty strings of whole characters"
        raise DataError([Problem(origin, None, what, 'write ["label", …], or name the kind of task: answer')])


def _labels_from_targets(samples: list[Sample], train_rows: list[Example]) -> _Labels:
    targets = {e.target for e in train_rows} or {s.target for s in samples}
    return _Labels(tuple(sorted(targets)), "the targets of train" if train_rows else "the targets themselves")


def _infer_kind(samples: list[Sample], train_rows: list[Example], listed: _Labels) -> tuple[Kind, str]:
    """The kind of task and the reason: labels are listed, or few targets repeat and train has all of them."""
    if listed.names:
        return "label", "labels were given" if listed.origin == GIVEN else f"labels are listed in {listed.origin}"
    if any(len(s.references) > 1 for s in samples):
        return "answer", "rows have several references"
    targets = [e.target for e in train_rows] or [s.target for s in samples]
    rows, distinct = ("train" if train_rows else "test"), len(set(targets))
    unseen = {s.target for s in samples} - set(targets)
    # A few unseen targets are typing errors in a label task: the check of labels then names them line by line.
    if unseen and _share(samples, targets) < 0.9:
        return "answer", f"{len(unseen)} of the test targets are not in train"
    counts = f"{distinct} distinct targets on {len(targets)} {rows} rows"
    if 2 <= distinct <= len(targets) / ROWS_PER_LABEL:
        return "label", counts + (", and every test target is in train" if train_rows else "")
    return "answer", f"{counts}: too many for labels" if distinct > 1 else f"{counts}: too few for labels"


def _share(samples: Sequence[Sample], targets: Collection[str]) -> float:
    """The share of samples whose target is among `targets`."""
    distinct = set(targets)
    return sum(s.target in distinct for s in samples) / max(len(samples), 1)


def _check_labels(
    path: str, examples: list[Example], samples: list[Sample], train_rows: list[Example], labels: _Labels
) -> None:
    """Raises DataError for each target and reference that is not a label; `examples` are the samples' rows."""
    allowed = set(labels.names)

    def fault(noun: str, text: str) -> tuple[str, str]:
        return f"the {noun} {_short(text)} is not among {labels.origin}", suggestion(text, labels.names)

    problems = [e.problem(*fault("target", e.target)) for e in (*examples, *train_rows) if e.target not in allowed]
    others = dict.fromkeys(r for s in samples for r in s.references if r not in allowed and r != s.target)
    problems += [Problem(path, None, *fault("reference", reference)) for reference in others]
    if problems:
        raise DataError(problems)


def _short(text: str, most: int = 60) -> str:
    return f"'{text}'" if len(text) <= most else f"'{text[:most]}…'"


class Question(Protocol):
    """What has an id and may name the documents it is about: a Sample, or an Item of results."""

    @property
    def id(self) -> str: ...

    @property
    def doc_ids(self) -> tuple[str, ...]: ...


def clusters_of(questions: Sequence[Question]) -> list[str] | None:
    """The document each question is about, where several questions share one; None where every item stands alone."""
    names = [q.doc_ids[0] if q.doc_ids else q.id for q in questions]
    return names if len(set(names)) < len(names) else None
