"""Metrics of JSON objects, field by field (`domainkit.evaluation.fields.compare` says what counts in what).

An answer without a JSON object leaves out every field of its target, and scores 0 where the target has none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domainkit.evaluation.fields.compare import Counts, counts_of
from domainkit.evaluation.fields.form import Form
from domainkit.evaluation.fields.objects import find_object
from domainkit.evaluation.fields.of_task import form_of_task, nearest
from domainkit.evaluation.metrics import CorpusMetric, ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task

Count = Callable[[Sample, str], Counts]


def counter(form: Form) -> Count:
    """A function from a question and its answer to the counts against the reference that the answer is nearest to."""
    return lambda sample, text: counts_of(nearest(sample, text, form))


@metric("Field F1", ("fields",), primary=True)
def field_f1(task: Task) -> ItemMetric:
    """F1 of one document's fields: 2·match / (values of the target + values of the answer)."""
    count = counter(form_of_task(task))

    def score(sample: Sample, text: str) -> Score:
        return Score(count(sample, text).f1 if find_object(text).fields is not None else 0.0)

    return score


@metric("All fields right", ("fields",))
def fields_all_right(task: Task) -> ItemMetric:
    """1 when every field of the document is right and none is invented; else 0."""
    count = counter(form_of_task(task))

    def score(sample: Sample, text: str) -> Score:
        match, gold, answered = count(sample, text)
        return Score(float(match == gold == answered and find_object(text).fields is not None))

    return score


@metric("Valid JSON", ("fields",))
def valid_json(task: Task) -> ItemMetric:
    """1 when the answer is one JSON object and nothing else, apart from a code fence; else 0."""
    return lambda sample, text: Score(float(find_object(text).alone))


Whole = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _micro(task: Task, whole: Whole) -> CorpusMetric:
    """match / whole(values of the targets, values of the answers), over the values of all documents together."""

    def value(sums: np.ndarray) -> np.ndarray:
        match, gold, answered = np.moveaxis(np.asarray(sums, float), -1, 0)
        over = whole(gold, answered)
        # Nothing to say and nothing said is right; a share of nothing is otherwise 0.
        right = np.asarray(gold + answered == 0, float)
        return np.divide(match, over, out=right, where=over > 0)

    return CorpusMetric(counter(form_of_task(task)), value)


@metric("Field F1, micro", ("fields",))
def field_micro_f1(task: Task) -> CorpusMetric:
    """F1 over the values of all documents together: a document with many fields weighs more."""
    return _micro(task, lambda gold, answered: (gold + answered) / 2)


@metric("Field precision, micro", ("fields",))
def field_precision(task: Task) -> CorpusMetric:
    """The share of the answers' values that are right."""
    return _micro(task, lambda gold, answered: answered)


@metric("Field recall, micro", ("fields",))
def field_recall(task: Task) -> CorpusMetric:
    """The share of the targets' values that the answers have, and have right."""
    return _micro(task, lambda gold, answered: gold)
