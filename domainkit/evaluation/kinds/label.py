"""One of a closed list of labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.errors import DataError, Problem
from domainkit.evaluation.classical import label_models
from domainkit.evaluation.kinds import Draft, TaskKind
from domainkit.evaluation.task import Task
from domainkit.registry import suggestion
from domainkit.storage import parse_json, read_bytes
from domainkit.text.words import fold

LABELS_FILE = "labels.json"
GIVEN = "the labels given"
ROWS_PER_LABEL = 4
"""Targets count as labels when each is, on average, on at least this many rows."""
Listed = tuple[tuple[str, ...], str]
"""Labels, and where they come from, for messages; () and "" where none are listed."""


def read_labels(path: Path, labels: Sequence[str] | str | Path | None) -> Listed:
    """The labels given, or those of the labels.json beside `path`. Raises DataError for what is not a list of names."""
    if labels is not None and not isinstance(labels, str | Path):
        given = sorted(labels) if isinstance(labels, set | frozenset) else list(labels)
        _check_names(given, GIVEN)
        return tuple(dict.fromkeys(given)), GIVEN
    file = Path(labels) if labels is not None else path.parent / LABELS_FILE
    if labels is None and not file.exists():
        return (), ""
    try:
        names = parse_json(read_bytes(file))
    except (OSError, ValueError) as e:
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise DataError(
            [Problem(str(file), None, f"cannot be read: {reason}", 'write a JSON list: ["label", …]')]
        ) from e
    _check_names(names, str(file))
    return tuple(dict.fromkeys(names)), str(file)


def labels_beside(path: Path, targets: Sequence[str]) -> Listed:
    """The labels.json beside `path`, unless it lists fewer than half of the targets: then it is of another task in the
    same folder, or in another spelling (`unused_labels`)."""
    names, origin = read_labels(path, None)
    return (names, origin) if share(targets, names) >= 0.5 else ((), "")


def unused_labels(path: Path, targets: Sequence[str], *, one_each: bool) -> Problem | None:
    """A warning of the labels.json that `labels_beside` left out, where it might be meant: each target is one label
    (`one_each`), or some are listed, if in another spelling."""
    names, origin = read_labels(path, None)
    if not names or not (one_each or share([fold(t) for t in targets], [fold(n) for n in names])):
        return None
    what = "lists fewer than half of the targets, letter by letter, and is not used"
    next_step = f"give the task's own labels (labels=, or in {LABELS_FILE}), or delete it"
    return Problem(origin, None, what, next_step, "warning")


def share(targets: Sequence[str], names: Collection[str]) -> float:
    """The share of targets that are among `names`."""
    distinct = set(names)
    return sum(t in distinct for t in targets) / max(len(targets), 1)


def check_listed(where: str, items: Sequence[tuple[Example, str]], others: Sequence[str], listed: Listed) -> None:
    """Raises DataError for each (row, target) and each other reference that is not among the labels."""
    names, origin = listed
    allowed = set(names)

    def fault(noun: str, text: str) -> tuple[str, str]:
        return f"the {noun} {_short(text)} is not among {origin}", suggestion(text, names)

    problems = [row.problem(*fault("target", target)) for row, target in items if target not in allowed]
    problems += [Problem(where, None, *fault("reference", r)) for r in dict.fromkeys(others) if r not in allowed]
    if problems:
        raise DataError(problems)


def _recognise(draft: Draft) -> str:
    """Labels are listed, or few targets repeat and train has all of them."""
    if draft.labels:
        return "labels were given" if draft.labels_origin == GIVEN else f"labels are listed in {draft.labels_origin}"
    if any(len(s.references) > 1 for s in draft.samples):
        return ""
    targets, rows, unseen = counted_targets(draft)
    distinct = len(set(targets))
    # A few unseen targets are typing errors in a label task: the check of labels then names them line by line.
    if unseen and share([s.target for s in draft.samples], targets) < 0.9:
        return ""
    if not 2 <= distinct <= len(targets) / ROWS_PER_LABEL:
        return ""
    seen = ", and every test target is in train" if draft.train else ""
    return f"{distinct} distinct targets on {len(targets)} {rows} rows{seen}"


def counted_targets(draft: Draft) -> tuple[list[str], str, set[str]]:
    """The targets that are counted, whose rows they are ("train" or "test"), and test targets not among them."""
    targets = [e.target for e in draft.train] or [s.target for s in draft.samples]
    return targets, "train" if draft.train else "test", {s.target for s in draft.samples} - set(targets)


def _complete(draft: Draft, task: Task) -> Task:
    listed: Listed = (draft.labels, draft.labels_origin)
    train = draft.train if draft.labels else ()
    if not draft.labels:
        targets = {e.target for e in draft.train} or {s.target for s in draft.samples}
        listed = tuple(sorted(targets)), "the targets of train" if draft.train else "the targets themselves"
    others = [r for s in draft.samples for r in s.references if r != s.target]
    check_listed(draft.where, [(e, e.target) for e in (*draft.rows, *train)], others, listed)
    return task.model_copy(update={"labels": listed[0]})


def _is_label(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip()) and not re.search("[\ud800-\udfff]", name)


def _check_names(names: object, origin: str) -> None:
    if not isinstance(names, list) or not names or not all(map(_is_label, names)):
        what = "is not a list of non-empty strings of whole characters"
        raise DataError([Problem(origin, None, what, 'write ["label", …], or name the kind of task: answer')])


def _short(text: str, most: int = 60) -> str:
    return f"'{text}'" if len(text) <= most else f"'{text[:most]}…'"


LABEL = TaskKind(
    name="label",
    title=lambda labels: f"choose one of {labels:,} labels" if labels else "choose a label",
    recognise=_recognise,
    complete=_complete,
    models=label_models,
    constraint=lambda task: {"choices": list(task.labels)},
    noun="label",
    trivial_needs_train=True,
    full_marks="right answers",
    metric="label_accuracy",
)
__all__ = [
    "LABEL",
    "ROWS_PER_LABEL",
    "Listed",
    "check_listed",
    "labels_beside",
    "read_labels",
    "share",
    "unused_labels",
]
