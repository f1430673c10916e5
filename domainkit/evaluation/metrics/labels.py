"""Metrics of tasks with several labels a question: F1, micro and macro F1, the whole set right, unreadable answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from domainkit.evaluation.fields.objects import parse_list
from domainkit.evaluation.metrics import CorpusMetric, ItemMetric, Score, metric
from domainkit.evaluation.metrics.label import label_parser, mean_f1
from domainkit.evaluation.task import Sample, Task
from domainkit.text.words import fold

_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,3}[.)])\s+")
_SEPARATORS = (r"[;|]", ",", r"/|\band\b")
"""The widest first."""
NONE = frozenset(("none", "no label", "no labels"))


class Named(NamedTuple):
    """What an answer names."""

    labels: frozenset[str]
    unread: int = 0
    """Parts of it that are no label."""
    readable: bool = True
    """False for an answer that is empty, or of which nothing was read."""


UNREADABLE = Named(frozenset(), 0, False)


def labels_parser(labels: Sequence[str]) -> Callable[[str], Named]:
    """A function from an answer to the labels it names: a JSON list, else its lines, and of those the parts between
    semicolons, commas, "and". Each part is read as `label_parser` reads a whole answer. "none" and [] name none."""
    parse_one = label_parser(labels)

    def read(parts: Sequence[str]) -> Named:
        found = [parse_one(part) for part in parts]
        unread = found.count(None)
        return Named(frozenset(f for f in found if f is not None), unread, unread < len(found) or not found)

    def parse(text: str) -> Named:
        listed = parse_list(text)
        if listed is not None:
            return read([entry if isinstance(entry, str) else str(entry) for entry in listed])
        if fold(text) in NONE and parse_one(text) is None:
            return Named(frozenset())
        lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
        parts = [part for line in lines for part in _parts(line, parse_one, _SEPARATORS)]
        return read(parts) if parts else UNREADABLE

    return parse


def _parts(text: str, parse_one: Callable[[str], str | None], separators: Sequence[str]) -> list[str]:
    """The parts of a line. What is a label as it stands is one part, whatever separators are in it."""
    label = parse_one(text)
    if not separators or (label is not None and fold(label) == fold(text)):
        return [text]
    first, *others = separators
    return [
        part for piece in re.split(first, text) if piece.strip() for part in _parts(piece.strip(), parse_one, others)
    ]


def gold_of(reference: str) -> frozenset[str]:
    """The labels of a target, which is a JSON list."""
    return frozenset(map(str, parse_list(reference) or ()))


def _f1(hits: float, gold: float, named: float) -> float:
    return 2 * hits / (gold + named) if gold + named else 1.0


def nearest(sample: Sample, named: Named) -> frozenset[str]:
    """The reference that the answer is nearest to."""
    references = [gold_of(r) for r in sample.references]
    return max(references, key=lambda gold: _f1(len(gold & named.labels), len(gold), len(named.labels)))


@metric("Labels F1", ("labels",), primary=True)
def labels_f1(task: Task) -> ItemMetric:
    """F1 of one question's labels, 2·hits / (right labels + labels named); 1 where none is right and none is named
    (Godbole and Sarawagi 2004). What is named and is no label counts as a wrong one."""
    parse = labels_parser(task.labels)

    def score(sample: Sample, text: str) -> Score:
        named = parse(text)
        gold = nearest(sample, named)
        value = _f1(len(gold & named.labels), len(gold), len(named.labels) + named.unread)
        return Score(value if named.readable else 0.0)

    return score


@metric("Exact set", ("labels",))
def subset_accuracy(task: Task) -> ItemMetric:
    """1 when exactly the right labels are named, and nothing else; else 0."""
    parse = labels_parser(task.labels)

    def score(sample: Sample, text: str) -> Score:
        named = parse(text)
        exact = named.labels in map(gold_of, sample.references)
        return Score(float(exact and not named.unread and named.readable))

    return score


@metric("Unreadable answers", ("labels",), lower_is_better=True)
def unread_labels(task: Task) -> ItemMetric:
    """1 when the answer is empty, or a part of it is no label; else 0. Lower is better."""
    parse = labels_parser(task.labels)

    def score(sample: Sample, text: str) -> Score:
        named = parse(text)
        return Score(float(bool(named.unread) or not named.readable))

    return score


@metric("Micro F1", ("labels",))
def labels_micro_f1(task: Task) -> CorpusMetric:
    """2·hits / (right labels + labels named), over all questions together."""
    parse = labels_parser(task.labels)

    def counts(sample: Sample, text: str) -> list[float]:
        named = parse(text)
        gold = nearest(sample, named)
        return [float(len(gold & named.labels)), float(len(gold)), float(len(named.labels) + named.unread)]

    def value(sums: np.ndarray) -> np.ndarray:
        hits, gold, named = np.moveaxis(np.asarray(sums, float), -1, 0)
        whole = (gold + named) / 2
        return np.divide(hits, whole, out=np.ones_like(hits), where=whole > 0)

    return CorpusMetric(counts, value)


@metric("Macro F1", ("labels",))
def labels_macro_f1(task: Task) -> CorpusMetric:
    """Mean of the labels' F1 = 2·TP / (2·TP + FP + FN), over the labels that are a target or an answer in the set."""
    parse = labels_parser(task.labels)
    index = {label: i for i, label in enumerate(task.labels)}

    def counts(sample: Sample, text: str) -> list[float]:
        """2·TP, then FP + FN, each per label."""
        named = parse(text)
        gold = nearest(sample, named)
        row = [0.0] * (2 * len(index))
        for label in (gold | named.labels) & index.keys():
            hit = label in gold and label in named.labels
            row[index[label] + (0 if hit else len(index))] = 2.0 if hit else 1.0
        return row

    return CorpusMetric(counts, mean_f1)
