"""Several labels of a closed list, or none."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from domainkit.corpus.example import Example
from domainkit.errors import DataError, Problem
from domainkit.evaluation.classical_labels import labels_models
from domainkit.evaluation.fields.compare import Status
from domainkit.evaluation.fields.objects import parse_list, written
from domainkit.evaluation.kinds import Draft, Part, TaskKind
from domainkit.evaluation.kinds.label import ROWS_PER_LABEL, Listed, check_listed
from domainkit.evaluation.metrics.labels import labels_parser, nearest
from domainkit.evaluation.task import Sample, Task
from domainkit.messages import JsonObject

SEPARATORS = (";", "|", ",")
LONGEST_LABEL = 80
ORDERED_AT_MOST = 60
"""Labels up to which a grammar keeps an answer from naming one twice: it grows with their square."""


def texts_of(target: str) -> list[str] | None:
    """The texts of a target that is a JSON list of them."""
    listed = parse_list(target)
    return [str(v) for v in listed] if listed is not None and all(isinstance(v, str) for v in listed) else None


def parts_of(target: str, labels: Sequence[str]) -> list[str]:
    """The labels of a target: of a JSON list its texts, else what stands between the separators where all of that are
    labels; else the target as it is."""
    listed = texts_of(target)
    if listed is not None or target in labels:
        return listed if listed is not None else [target]
    divided = (_divided(target, separator) for separator in SEPARATORS if separator in target)
    return next((parts for parts in divided if all(p in labels for p in parts)), [target])


def _divided(target: str, separator: str) -> list[str]:
    return [part.strip() for part in target.split(separator)]


def _recognise(draft: Draft) -> str:
    targets = [s.target for s in draft.samples] + [e.target for e in draft.train]
    if all(texts_of(t) is not None for t in targets):
        return "every target is a list of texts"
    separator = separator_of(targets, draft.labels)
    return f"targets are labels divided by '{separator}'" if separator else ""


def separator_of(targets: Sequence[str], labels: Sequence[str]) -> str:
    """What divides the targets, where all parts are labels: they are listed, or repeat as labels do, in several
    combinations; "" where nothing does."""
    for separator in SEPARATORS:
        parts = {target: _divided(target, separator) for target in targets}
        several = [p for p in parts.values() if len(p) > 1]
        if several and (_are_listed(parts.values(), labels) if labels else _repeat(targets, parts, several)):
            return separator
    return ""


def _are_listed(targets: Iterable[Sequence[str]], labels: Sequence[str]) -> bool:
    known = set(labels)
    return all(part in known for parts in targets for part in parts)


def _repeat(targets: Sequence[str], parts: dict[str, list[str]], several: Sequence[list[str]]) -> bool:
    counts = Counter(part for target in targets for part in parts[target])
    if not all(0 < len(part) <= LONGEST_LABEL for part in counts) or len(counts) < 2:
        return False
    # A label with a comma in it is always the same whole: its parts stand in no other target.
    places = Counter(part for whole in parts.values() for part in set(whole))
    mixed = sum(any(places[part] > 1 for part in whole) for whole in several)
    return len(counts) * ROWS_PER_LABEL <= counts.total() and 2 * mixed >= len(several)


def _complete(draft: Draft, task: Task) -> Task:
    """Targets and references as JSON lists, in the order of the labels."""
    listed = _labels(draft)
    labels = listed[0]
    rows = [(row, parts_of(row.target, labels)) for row in draft.rows]
    train = [(row, parts_of(row.target, labels)) for row in (draft.train if draft.labels else ())]
    items = [(row, part) for row, parts in (*rows, *train) for part in parts]
    references = [part for s in task.samples for r in s.references[1:] for part in parts_of(r, labels)]
    check_listed(draft.where, items, references, listed)
    if not labels:
        what = "no target names a label"
        raise DataError([Problem(draft.where, None, what, "name at least one label in train or test")])
    samples = tuple(
        s.model_copy(
            update={
                "target": canonical(s.target, labels),
                "references": tuple(dict.fromkeys(canonical(r, labels) for r in s.references)),
            }
        )
        for s in task.samples
    )
    return task.model_copy(update={"labels": labels, "samples": samples})


def _labels(draft: Draft) -> Listed:
    if draft.labels:
        return draft.labels, draft.labels_origin
    targets = [e.target for e in draft.train] or [s.target for s in draft.samples]
    separator = separator_of([s.target for s in draft.samples] + [e.target for e in draft.train], ())
    found = set()
    for target in targets:
        listed = texts_of(target)
        found.update(listed if listed is not None else _divided(target, separator) if separator else [target])
    return tuple(sorted(found)), "the targets of train" if draft.train else "the targets themselves"


def canonical(target: str, labels: Sequence[str]) -> str:
    """The one text of a set of labels: its JSON list, in the order of the labels."""
    parts = set(parts_of(target, labels))
    return written([label for label in labels if label in parts])


def _learnt(example: Example, task: Task) -> Example:
    return example.with_target(canonical(example.target, task.labels))


def _constraint(task: Task) -> JsonObject:
    """A JSON list of labels in their order, so that none can stand in it twice."""
    names = [json.dumps(label, ensure_ascii=False) for label in task.labels]
    if len(names) > ORDERED_AT_MOST:
        items = {"type": "array", "items": {"enum": list(task.labels)}, "maxItems": len(names)}
        return {"json_schema": items}
    escaped = [re.escape(name) for name in names]
    after = ["".join(f"(, {later})?" for later in escaped[i + 1 :]) for i in range(len(escaped))]
    lists = "|".join(first + rest for first, rest in zip(escaped, after, strict=True))
    return {"regex": rf"\[({lists})?\]"}


def _provider_constraint(task: Task) -> JsonObject:
    return {"json_schema": {"type": "array", "items": {"type": "string", "enum": list(task.labels)}}}


def _view(sample: Sample, answer: str, task: Task) -> list[Part]:
    named = labels_parser(task.labels)(answer)
    gold = nearest(sample, named)
    parts = []
    for label in [label for label in task.labels if label in gold | named.labels]:
        status: Status = "match" if label in gold & named.labels else "omission" if label in gold else "invention"
        parts.append(Part(label, label if label in gold else "", label if label in named.labels else "", status))
    if named.unread or not named.readable:
        parts.append(Part("not a label", "", f"{max(named.unread, 1)}", "invention"))
    return parts


LABELS = TaskKind(
    name="labels",
    title=lambda labels: f"choose any of {labels:,} labels",
    recognise=_recognise,
    complete=_complete,
    models=labels_models,
    constraint=_constraint,
    provider_constraint=_provider_constraint,
    learnt=_learnt,
    noun="set of labels",
    trivial_needs_train=True,
    metric="labels_f1",
    view=_view,
)
