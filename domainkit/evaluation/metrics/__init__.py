"""The table of metrics: one file each, one line each.

Every line names a factory `(task) -> Metric | CorpusMetric`: what a metric needs to know of the task (its labels) is
given once, outside; what it returns scores answers. A `Metric` scores one answer, and the set's score is the mean. A
`CorpusMetric` scores the set as a whole. `PRIMARY` names the metric a verdict is about, per kind of task; `USED` all
that are computed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.registry import Table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in [0, 1], or None with the `reason` there is none."""

    value: float | None
    reason: str = ""


Metric = Callable[[Sample, str], Score]


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """A score of the whole set that is no mean over items: `counts` of each answer, summed over the set, decide it.

    `counts(sample, text)` has a fixed length k; `value` maps sums of shape (..., k) to scores of shape (...), so that a
    bootstrap sums resampled rows and never scores an answer twice.
    """

    counts: Callable[[Sample, str], Sequence[float]]
    value: Callable[[np.ndarray], np.ndarray]


METRICS = Table(
    "metric",
    {
        "exact_match": "domainkit.evaluation.metrics.exact_match:exact_match",
        "label_accuracy": "domainkit.evaluation.metrics.label:label_accuracy",
        "macro_f1": "domainkit.evaluation.metrics.label:macro_f1",
        "parse_failure": "domainkit.evaluation.metrics.label:parse_failure",
        "token_f1": "domainkit.evaluation.metrics.token_f1:token_f1",
    },
    group="domainkit.metrics",
)
PRIMARY: dict[Kind, str] = {"label": "label_accuracy", "answer": "token_f1"}
USED: dict[Kind, tuple[str, ...]] = {
    "label": ("label_accuracy", "macro_f1", "parse_failure"),
    "answer": ("token_f1", "exact_match"),
}


def item_metrics(task: Task, names: Sequence[str] | None = None) -> dict[str, Metric]:
    """The metrics of `names` (default: those used for the task's kind) that score one answer at a time, ready for
    `task`."""
    made = {name: METRICS.load(name)(task) for name in names or USED[task.kind]}
    return {name: metric for name, metric in made.items() if not isinstance(metric, CorpusMetric)}


def corpus_metrics(task: Task, names: Sequence[str] | None = None) -> dict[str, CorpusMetric]:
    """The metrics of `names` (default: those used for the task's kind) that score the set as a whole, ready for
    `task`."""
    made = {name: METRICS.load(name)(task) for name in names or USED[task.kind]}
    return {name: metric for name, metric in made.items() if isinstance(metric, CorpusMetric)}


__all__ = ["METRICS", "PRIMARY", "USED", "CorpusMetric", "Metric", "Score", "corpus_metrics", "item_metrics"]
