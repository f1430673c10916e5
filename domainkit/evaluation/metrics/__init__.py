"""The table of metrics: one file and one line each.

A line names a function `(task) -> ItemMetric | CorpusMetric`, declared with `@metric`: what a metric must know of the
task (its labels) is given once. The declaration says for which kinds of task the metric is, its title, and whether
lower is better.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args, runtime_checkable

from domainkit.errors import FOREIGN_ERRORS, ConfigError, DomainkitError
from domainkit.evaluation.answers_on_disk import PassageRow, Progress
from domainkit.evaluation.kept_scores import KeptScores
from domainkit.evaluation.task import Kind, Sample, Task
from domainkit.registry import Table

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("domainkit")


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


@dataclass(frozen=True, slots=True)
class PassageMetric:
    """Scores one answer with the passages that stood in its prompt, if any did."""

    score: Callable[[Sample, str, Sequence[PassageRow]], Score]

    def __call__(self, sample: Sample, text: str, passages: Sequence[PassageRow] = ()) -> Score:
        return self.score(sample, text, passages)


def score_answer(
    name: str, metric: ItemMetric, sample: Sample, text: str, passages: Sequence[PassageRow] = ()
) -> Score:
    """One answer's score, by a metric of domainkit or of another package. Raises ConfigError where its code fails, or
    gives what is no score."""
    try:
        found: object = metric(sample, text, passages) if isinstance(metric, PassageMetric) else metric(sample, text)
    except DomainkitError:
        raise
    except FOREIGN_ERRORS as e:
        what = f"the metric '{name}' failed on question '{sample.id}': {type(e).__name__}: {e}"
        raise ConfigError(what, where="metrics", next_step="call it on this question and its answer") from e
    if isinstance(found, Score):
        return found
    if found is None or isinstance(found, int | float):
        return Score(found)
    what = f"the metric '{name}' gave {found!r} for question '{sample.id}'"
    raise ConfigError(what, where="metrics", next_step="return a Score, a number, or None where there is no score")


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


JUDGES = ("judge", "judge_pairs")
"""Metrics that need a chat model, so that they are in no table."""
NEED_NO_REFERENCE = ("citations",)
METRICS = Table(
    "metric",
    {
        "chrf": "domainkit.evaluation.metrics.chrf:chrf",
        "citations": "domainkit.evaluation.metrics.citations:citations",
        "exact_match": "domainkit.evaluation.metrics.exact_match:exact_match",
        "field_f1": "domainkit.evaluation.metrics.fields:field_f1",
        "field_micro_f1": "domainkit.evaluation.metrics.fields:field_micro_f1",
        "field_precision": "domainkit.evaluation.metrics.fields:field_precision",
        "field_recall": "domainkit.evaluation.metrics.fields:field_recall",
        "fields_all_right": "domainkit.evaluation.metrics.fields:fields_all_right",
        "label_accuracy": "domainkit.evaluation.metrics.label:label_accuracy",
        "labels_f1": "domainkit.evaluation.metrics.labels:labels_f1",
        "labels_macro_f1": "domainkit.evaluation.metrics.labels:labels_macro_f1",
        "labels_micro_f1": "domainkit.evaluation.metrics.labels:labels_micro_f1",
        "macro_f1": "domainkit.evaluation.metrics.label:macro_f1",
        "parse_failure": "domainkit.evaluation.metrics.label:parse_failure",
        "rouge_l": "domainkit.evaluation.metrics.rouge_l:rouge_l",
        "subset_accuracy": "domainkit.evaluation.metrics.labels:subset_accuracy",
        "token_f1": "domainkit.evaluation.metrics.token_f1:token_f1",
        "call_score": "domainkit.evaluation.metrics.calls:call_score",
        "right_tool": "domainkit.evaluation.metrics.calls:right_tool",
        "calls_all_right": "domainkit.evaluation.metrics.calls:calls_all_right",
        "needless_call": "domainkit.evaluation.metrics.calls:needless_call",
        "missing_call": "domainkit.evaluation.metrics.calls:missing_call",
        "unread_labels": "domainkit.evaluation.metrics.labels:unread_labels",
        "valid_json": "domainkit.evaluation.metrics.fields:valid_json",
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


def references_of(sample: Sample) -> list[str]:
    """The sample's references that say something: a question of the kind text may have none."""
    return [r for r in sample.references if r.strip()]


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
    pairs: KeptScores | None = None
    """The judge of pairs, if there is one."""
    order: tuple[str, ...] = ()
    """The names of all, as they were named."""

    @property
    def names(self) -> list[str]:
        return list(self.order)

    @property
    def primary_only(self) -> MetricSet:
        """The metric that decides: where answers serve nothing else, no judge is paid for them."""
        return MetricSet(self.primary, {self.primary: self.item[self.primary]}, {}, order=(self.primary,))

    @property
    def judges(self) -> list[KeptScores]:
        """The metrics that cost something."""
        kept = [m for m in self.item.values() if isinstance(m, KeptScores)]
        return [*kept, *([self.pairs] if self.pairs else [])]

    def kept_in(self, file: Path, on_progress: Progress | None = None) -> MetricSet:
        """The same, with the scores of batch metrics kept in `file`, so that no run asks for one twice."""
        kept = {m.name: KeptScores(m.metric, file, on_progress) for m in self.judges}
        item = {name: kept.get(name, metric) for name, metric in self.item.items()}
        return replace(self, item=item, pairs=kept[self.pairs.name] if self.pairs else None)


def metric_set(task: Task, metrics: Sequence[str | BatchMetric] | None = None) -> MetricSet:
    """The metrics given, by name or as they are, the first of them primary; else all of the task's kind.

    Raises ConfigError for an unknown or repeated metric, one that is not for this kind of task, and a primary one that
    cannot decide: it scores a whole set, compares pairs, or is better where it is lower.
    """
    item: dict[str, ItemMetric | BatchMetric] = {}
    corpus: dict[str, CorpusMetric] = {}
    pairs: list[KeptScores] = []
    names: list[str] = []
    for metric in _computable(metrics or default_metrics(task.kind), task):
        name = metric if isinstance(metric, str) else metric.name
        if name in names:
            raise ConfigError(f"the metric '{name}' is named twice", where="metrics", next_step="name each metric once")
        names.append(name)
        ready = _ready(metric, task)
        if isinstance(ready, CorpusMetric):
            corpus[name] = ready
        elif isinstance(ready, KeptScores) and getattr(ready.metric, "compares_pairs", False):
            pairs.append(ready)
        else:
            item[name] = ready
    if len(pairs) > 1:
        what = f"{' and '.join(p.name for p in pairs)} both compare pairs"
        raise ConfigError(what, where="metrics", next_step="name one of them")
    _check_primary(names[0], item, corpus)
    return MetricSet(names[0], item, corpus, pairs[0] if pairs else None, tuple(names))


def _computable(metrics: Sequence[str | BatchMetric], task: Task) -> Sequence[str | BatchMetric]:
    """The metrics; where no question has a reference, those that need none, the judge first. Raises ConfigError where
    none of these can decide."""
    if not task.samples or any(map(references_of, task.samples)):
        return metrics
    judges = [m for m in metrics if not isinstance(m, str) or m in JUDGES]
    if not judges:
        what = "no question has a reference, so only a judge can score the answers"
        next_step = 'say which model judges, and by what: --judge MODEL --rubric "…" (in Python: judge=, rubric=)'
        raise ConfigError(what, where="metrics", next_step=next_step)
    if dropped := [m for m in metrics if isinstance(m, str) and m not in (*JUDGES, *NEED_NO_REFERENCE)]:
        log.warning("no question has a reference, so there is no score for %s", ", ".join(dropped))
    return [*judges, *(m for m in metrics if m in NEED_NO_REFERENCE)]


def _check_primary(name: str, item: Collection[str], corpus: Collection[str]) -> None:
    why = ""
    if name not in item:
        what = "scores a whole set of answers" if name in corpus else "compares two answers"
        why = f"{what}, and the verdict needs a score of each answer"
    elif lower_is_better(name):
        why = "is better where it is lower, and the verdict takes the highest score"
    if why:
        raise ConfigError(f"the metric '{name}' {why}", where="metrics", next_step="name another metric first")


def _ready(metric: str | BatchMetric, task: Task) -> ItemMetric | BatchMetric | CorpusMetric:
    if not isinstance(metric, str):
        return KeptScores(metric)
    if metric in JUDGES and metric not in METRICS:
        next_step = 'say which model judges, and by what: --judge MODEL --rubric "…" (in Python: judge=, rubric=)'
        raise ConfigError(f"the metric '{metric}' has no model", where="metrics", next_step=next_step)
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
    "JUDGES",
    "METRICS",
    "BatchMetric",
    "CorpusMetric",
    "ItemMetric",
    "Metric",
    "MetricSet",
    "PassageMetric",
    "Score",
    "declared",
    "default_metrics",
    "item_metrics",
    "lower_is_better",
    "metric",
    "metric_set",
    "metric_title",
    "references_of",
    "score_answer",
]
