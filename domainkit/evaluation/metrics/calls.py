"""Metrics of tasks whose answers are tool calls: the right tool, the right arguments, and calls where none was wanted.

A question may have several right answers (`references`), "no call" among them. The best of them counts. An empty answer
is never right: where no call was wanted, words were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from domainkit.evaluation.calls.call_list import Call, calls_of
from domainkit.evaluation.calls.matching import count_calls
from domainkit.evaluation.fields.compare import Counts
from domainkit.evaluation.metrics import ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task


def wanted_of(sample: Sample) -> list[tuple[Call, ...]]:
    """The calls of each right answer."""
    return [calls_of(reference) for reference in sample.references]


def best_counts(sample: Sample, text: str) -> Counts:
    """What of the answer agrees with the reference that it fits best."""
    if not text.strip():
        return Counts(0, 1, 0)
    given = calls_of(text)
    return max((count_calls(wanted, given, sample.tools) for wanted in wanted_of(sample)), key=lambda c: c.f1)


@metric("Calls", ("calls",), primary=True)
def call_score(task: Task) -> ItemMetric:
    """F1 over the calls and the values of their arguments: 2·match / (wanted + given); 1 where no call was wanted and
    none was made."""
    return lambda sample, text: Score(best_counts(sample, text).f1)


@metric("Right tool", ("calls",))
def right_tool(task: Task) -> ItemMetric:
    """1 when exactly the tools wanted were called, each as often, whatever the arguments; or none, where none was."""

    def score(sample: Sample, text: str) -> Score:
        given = _tools(calls_of(text))
        return Score(float(bool(text.strip()) and given in map(_tools, wanted_of(sample))))

    return score


@metric("All right", ("calls",))
def calls_all_right(task: Task) -> ItemMetric:
    """1 when every call and every value is as wanted, and nothing more was called; else 0."""

    def score(sample: Sample, text: str) -> Score:
        counts = best_counts(sample, text)
        return Score(float(counts.match == counts.gold == counts.answered))

    return score


@metric("Needless calls", ("calls",), lower_is_better=True)
def needless_call(task: Task) -> ItemMetric:
    """1 when something was called where every right answer has no call; no score where a call was wanted. Lower is
    better."""

    def score(sample: Sample, text: str) -> Score:
        if any(wanted_of(sample)):
            return Score(None, "a call was wanted")
        return Score(float(bool(calls_of(text))))

    return score


@metric("Missing calls", ("calls",), lower_is_better=True)
def missing_call(task: Task) -> ItemMetric:
    """1 when nothing was called where every right answer has a call; no score where none was wanted. Lower is
    better."""

    def score(sample: Sample, text: str) -> Score:
        if not all(wanted_of(sample)):
            return Score(None, "no call was wanted")
        return Score(float(not calls_of(text)))

    return score


def _tools(calls: Sequence[Call]) -> Counter[str]:
    """How often each tool is called."""
    return Counter(call.name for call in calls)
