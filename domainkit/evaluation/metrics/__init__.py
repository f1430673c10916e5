"""The table of metrics: one file and one line each.

A line names a function `(task) -> ItemMetric | CorpusMetric`, declared with `@metric`: what a metric must know of the
task (its labels) is given once. The declaration says for which kinds of task the metric is, its title, and whether
lower is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args, runtime_checkable

from domainkit.errors import ConfigError
from domainkit.evaluation.kept_scores import KeptScores
from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.registry import Table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Score:
    """`value` in [0, 1], or None with the `reason` why there is none."""

    value: float | None
    reason: str = ""


ItemMetric = Callable[[Sample, str], Score]
"""Scores one answer; the score of a set is the mean."""


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """A score of the whole set that is not a mean over items."""

    counts: Callable[[Sample, str], Sequence[float]]
    """(question, answer) to counts of a fixed length k, which are summed over the set."""
    value: Callable[[np.ndarray], np.ndarray]
    """Sums (..., k) to scores (...): a bootstrap sums resampled rows and never scores an answer twice."""


@runtime_checkable
class BatchMetric(Protocol):
    """A metric ready for any task that scores many answers in one call; None where there is no score. The judge is
    one."""

    name: str

    def many(self, samples: Sequence[Sample], answers: Sequence[str]) -> list[float | None]: ...


@dataclass(frozen=True)
class Metric:
    """A metric as it is declared. Call it with a task to get what scores answers."""

    make: Callable[[Task], ItemMetric | CorpusMetric]
    title: str
    """Its name in the report."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    """The kinds of task it is computed for when no metrics are named."""
    lower_is_better: bool = False
    primary: bool = False
    """The verdict of these kinds of task is about this metric when no metrics are named."""

    def __call__(self, task: Task) -> ItemMetric | CorpusMetric:
        return self.make(task)


def metric(
    title: str, kinds: Sequence[Kind] = get_args(Kind), *, lower_is_better: bool = False, primary: bool = False
) -> Callable[[Callable[[Task], ItemMetric | CorpusMetric]], Metric]:
    """Declare the function below as a metric."""
    return lambda make: Metric(make, title, tuple(kinds), lower_is_better, primary)


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


def declared(name: str) -> Metric:
    """The declaration of the metric `name`. A function without one, of another package, is for every kind of task."""
    loaded = METRICS.load(name)
    return loaded if isinstance(loaded, Metric) else Metric(loaded, title_from(name))


def metric_title(name: str) -> str:
    """How the report names a metric, also one that is no longer installed."""
    return declared(name).title if name in METRICS else title_from(name)


def lower_is_better(name: str) -> bool:
    return name in METRICS and declared(name).lower_is_better


def title_from(name: str) -> str:
    return name.replace("_", " ").capitalize()


def default_metrics(kind: Kind) -> list[str]:
    """Every metric of that kind of task, the primary one first."""
    names = [name for name in METRICS if kind in declared(name).kinds]
    return sorted(names, key=lambda name: not declared(name).primary)


@dataclass(frozen=True, slots=True)
class MetricSet:
    """The metrics of one comparison, ready for its task."""

    primary: str
    """The metric that the verdict is about: one that scores each answer."""
    item: dict[str, ItemMetric | BatchMetric]
    corpus: dict[str, CorpusMetric]

    @property
    def names(self) -> list[str]:
        return [*self.item, *self.corpus]

    def kept_in(self, file: Path) -> MetricSet:
        """The same, with the scores of batch metrics kept in `file`, so that no run asks for one twice."""
        kept = {n: KeptScores(m.metric, file) if isinstance(m, KeptScores) else m for n, m in self.item.items()}
        return replace(self, item=kept)


def metric_set(task: Task, metrics: Sequence[str | BatchMetric] | None = None) -> MetricSet:
    """The metrics given, by name or as they are, the first of them primary; else all of the task's kind.

    Raises ConfigError for an unknown or repeated metric, one that is not for this kind of task, and a primary one that
    does not score each answer.
    """
    item: dict[str, ItemMetric | BatchMetric] = {}
    corpus: dict[str, CorpusMetric] = {}
    names = []
    for metric in metrics or default_metrics(task.kind):
        name = metric if isinstance(metric, str) else metric.name
        if name in names:
            raise ConfigError(f"the metric '{name}' is named twice", where="metrics", next_step="name each metric once")
        names.append(name)
        ready = _ready(metric, task)
        if isinstance(ready, CorpusMetric):
            corpus[name] = ready
        else:
            item[name] = ready
    if names[0] in corpus:
        raise ConfigError(
            f"the metric '{names[0]}' scores a whole set of answers, and the verdict needs a score of each answer",
            where="metrics",
            next_step="name another metric first",
        )
    return MetricSet(names[0], item, corpus)


def _ready(metric: str | BatchMetric, task: Task) -> ItemMetric | BatchMetric | CorpusMetric:
    if not isinstance(metric, str):
        return KeptScores(metric)
    kinds = declared(metric).kinds
    if task.kind not in kinds:
        raise ConfigError(
            f"the metric '{metric}' is for {' and '.join(kinds)} tasks, and this is a task of kind '{task.kind}'",
            where="metrics",
            next_step=f"one of: {', '.join(default_metrics(task.kind))}",
        )
    return declared(metric)(task)


def item_metrics(task: Task, names: Sequence[str] | None = None) -> dict[str, ItemMetric]:
    """The metrics of `names` (else those of the task's kind) that score one answer at a time, ready for `task`."""
    ready = {name: declared(name)(task) for name in names or default_metrics(task.kind)}
    return {name: one for name, one in ready.items() if not isinstance(one, CorpusMetric)}


__all__ = [
    "METRICS",
    "BatchMetric",
    "CorpusMetric",
    "ItemMetric",
    "Metric",
    "MetricSet",
    "Score",
    "declared",
    "default_metrics",
    "item_metrics",
    "lower_is_better",
    "metric",
    "metric_set",
    "metric_title",
]
