"""Task: the questions a comparison is about, and how a file of them is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.example_layouts import refuse_tools, scan_examples
from domainkit.corpus.jsonl_rows import RowError, parse_text_list, scan_rows
from domainkit.corpus.read_files import read_examples
from domainkit.errors import ConfigError, DataError, Problem
from domainkit.registry import suggestion
from domainkit.storage import sha256_lines

Kind = Literal["label", "answer"]

LABELS_FILE = "labels.json"
ROWS_PER_LABEL = 4
"""Targets count as labels when each is, on average, on at least this many rows."""


class Sample(BaseModel):
    """One question. `references` are all right answers (the target is the first); `doc_ids` the gold documents, if
    known; `group` a reported subset (the row's `group`, or else its `kind`)."""

    model_config = ConfigDict(frozen=True)

    id: str
    input: str
    target: str
    references: tuple[str, ...]
    system: str | None = None
    doc_ids: tuple[str, ...] = ()
    group: str | None = None
    meta: dict[str, Any] = {}


class Task(BaseModel):
    """`kind` "label": each target is one of `labels`; "answer": free short text. `fingerprint` is the SHA-256 of the
    rows."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    samples: tuple[Sample, ...]
    labels: tuple[str, ...] = ()
    fingerprint: str
    source: str = ""
    why_kind: str = ""


def read_task(
    path: str | Path,
    *,
    train: str | Path | None = None,
    kind: Kind | None = None,
    labels: Sequence[str] | str | Path | None = None,
    name: str | None = None,
) -> Task:
    """The test questions of a JSON Lines file, in any layout of `domainkit.corpus.example_layouts`, one question per row.

    Rows may add `references` (more right answers), `doc_ids`, `group` or `kind`; other fields go to `meta`, and a
    missing id is made from the line. `train` is read to tell label tasks from free answers; `kind` decides it instead.
    `labels` is the list of labels or the JSON file of one; left out, a labels.json beside `path`, and else the targets
    themselves. A labels.json that lists fewer than half of the targets is another task's and is passed over. Raises
    DataError with every faulty row: malformed, repeated id, or a target that is no label.
    """
    path = Path(path)
    if kind not in (None, "label", "answer"):
        raise ConfigError(f"unknown kind of task '{kind}'", next_step=suggestion(str(kind), ("label", "answer")))
    examples, faults = scan_examples(path)
    samples, lines, problems = _samples(path, examples, dict(scan_rows(path)[0]))
    problems = sorted([*(f for f in faults if f.severity == "error"), *problems], key=lambda p: p.line or 0)
    if problems:
        raise DataError(problems)
    refuse_tools(examples, "a comparison")
    solved = read_examples(train) if train is not None else []
    listed, origin = _listed_labels(path, labels) if kind != "answer" else ((), "")
    if labels is None and kind is None and _share(samples, listed) < 0.5:
        listed, origin = (), ""  # the labels of another task in the same folder
    decided, why = (kind, "as asked for") if kind else _infer_kind(samples, solved, origin)
    known: tuple[str, ...] = ()
    if decided == "label":
        known = listed or tuple(sorted({e.target for e in solved} or {s.target for s in samples}))
        origin = origin or ("the targets of train" if solved else "the targets themselves")
        _check_labels(path, samples, lines, solved if listed else [], known, origin)
    return Task(
        name=name or _task_name(path),
        kind=decided,
        samples=tuple(samples),
        labels=known,
        fingerprint=sha256_lines(sample.model_dump_json() for sample in samples),
        source=str(path),
        why_kind=why,
    )


def _task_name(path: Path) -> str:
    """The folder's name for banking77/test.jsonl, which says more than "test"; otherwise the file's."""
    return path.resolve().parent.name if path.stem in ("test", "dev", "eval", "validation") else path.stem


def _samples(
    path: Path, examples: list[Example], rows: dict[int, dict[str, Any]]
) -> tuple[list[Sample], list[int], list[Problem]]:
    samples: list[Sample] = []
    problems: list[Problem] = []
    first_line: dict[str, int] = {}
    lines = [example.line for example in examples if example.line is not None]  # read from a file: all have one
    for example, line in zip(examples, lines, strict=True):
        try:
            sample = _sample(example, rows[line], default_id=f"{path.stem}-{line}")
        except RowError as e:
            problems.append(example.problem(e.what, e.next_step))
            continue
        if first_line.setdefault(sample.id, line) != line:
            what = f"the id '{sample.id}' is already on line {first_line[sample.id]}"
            problems.append(Problem(str(path), line, what, "give each row an id of its own, or leave ids out"))
        samples.append(sample)
    return samples, lines, problems


_READ_FIELDS = {"id", "input", "target", "prompt", "completion", "messages", "system", "references", "doc_ids", "group"}


def _sample(example: Example, row: dict[str, Any], default_id: str) -> Sample:
    """Raises RowError."""
    system = next((turn.content for turn in example.prompt if turn.role == "system"), None)
    if sum(turn.role != "system" for turn in example.prompt) > 1:
        raise RowError(
            "has earlier turns; a test row is one question and its answer",
            "split it, or put what matters in the question",
        )
    group = row.get("group", row.get("kind"))
    references = parse_text_list(row.get("references"), "references")
    return Sample(
        id=example.id or default_id,
        input=example.question,
        target=example.target,
        references=tuple(dict.fromkeys((example.target, *references))),
        system=system,
        doc_ids=example.doc_ids,
        group=None if group is None else str(group),
        meta={field: value for field, value in row.items() if field not in _READ_FIELDS},
    )


def _listed_labels(path: Path, labels: Sequence[str] | str | Path | None) -> tuple[tuple[str, ...], str]:
    """(labels, where they come from): given, or from the labels.json beside `path`; ((), "") where there are none."""
    if labels is not None and not isinstance(labels, str | Path):
        return tuple(dict.fromkeys(labels)), "the labels given"
    file = Path(labels) if labels is not None else path.parent / LABELS_FILE
    if labels is None and not file.is_file():
        return (), ""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as e:
        raise DataError([Problem(str(file), None, f"cannot be read: {e}", 'write a JSON list: ["label", …]')]) from e
    if not isinstance(found, list) or not found or not all(isinstance(label, str) and label.strip() for label in found):
        what = "is not a JSON list of non-empty strings"
        raise DataError([Problem(str(file), None, what, 'write ["label", …], or name the kind of task: answer')])
    return tuple(dict.fromkeys(found)), str(file)


def _infer_kind(samples: list[Sample], solved: list[Example], origin: str) -> tuple[Kind, str]:
    """The kind of task and the reason: labels are listed, or few targets repeat and train knows all of them."""
    if origin:
        return "label", f"labels are listed in {origin}" if origin != "the labels given" else "labels were given"
    if any(len(s.references) > 1 for s in samples):
        return "answer", "rows have several references"
    targets = [e.target for e in solved] or [s.target for s in samples]
    where, distinct = ("train" if solved else "test"), len(set(targets))
    unseen = {s.target for s in samples} - set(targets)
    # A few strangers among known targets are slips in a label task, which the check of labels then names line by line.
    if unseen and _share(samples, targets) < 0.9:
        return "answer", f"{len(unseen)} of the test targets are not in train"
    counted = f"{distinct} distinct targets on {len(targets)} {where} rows"
    if 2 <= distinct <= len(targets) / ROWS_PER_LABEL:
        return "label", f"{counted}" + (", and every test target is in train" if solved else "")
    return "answer", f"{counted}: not few targets that repeat"


def _share(samples: Sequence[Sample], targets: Collection[str]) -> float:
    """The share of samples whose target is among `targets`."""
    known = set(targets)
    return sum(s.target in known for s in samples) / max(len(samples), 1)


def _check_labels(
    path: Path, samples: list[Sample], lines: list[int], solved: list[Example], labels: tuple[str, ...], origin: str
) -> None:
    """Raises DataError for each target, in test and in train, that is no label."""
    known = set(labels)
    problems = [
        Problem(str(path), line, f"the target {_short(s.target)} is not among {origin}", suggestion(s.target, labels))
        for s, line in zip(samples, lines, strict=True)
        if s.target not in known
    ]
    for example in solved:
        if example.target not in known:
            what = f"the target {_short(example.target)} is not among {origin}"
            problems.append(example.problem(what, suggestion(example.target, labels)))
    alternatives = Counter(r for s in samples for r in s.references if r not in known and r != s.target)
    problems += [
        Problem(str(path), None, f"the reference {_short(r)} is not among {origin}", suggestion(r, labels))
        for r in alternatives
    ]
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
