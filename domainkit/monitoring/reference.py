"""The reference: the shares that a watch compares with, counted on the run's own questions and answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Literal

import numpy as np
from langchain_core.embeddings import Embeddings

from domainkit.errors import ConfigError
from domainkit.evaluation.metrics.label import label_parser
from domainkit.evaluation.task import clusters_of
from domainkit.monitoring.measures import Measures, measure
from domainkit.monitoring.sketch import Sketch, fit_sketch, vectors_of
from domainkit.registry import suggestion
from domainkit.results.answers import Record
from domainkit.results.lookups import find_variant
from domainkit.results.schema import AnswerRow, Item, Results
from domainkit.statistics.drift import Bounds
from domainkit.statistics.intervals import cluster_codes, clustered_error, spread

Group = Literal["likeness", "topics", "answers", "retrieval", "confidence"]
TAIL = 0.05
"""A number is marked below this quantile of the reference, or above the opposite one."""
LABELS = 10
"""Labels with a series of their own, the commonest first; the others share one."""
LEAST = 20
"""Answered questions that a reference needs."""


FEW = 150
"""Below it the report says what a small reference can tell."""


class Series(Record):
    """One thing that is counted: whether a conversation has a mark."""

    name: str
    group: Group
    title: str
    """What is counted, as in "share of …"."""
    measure: str
    """The field of `Measures`."""
    among: tuple[str | int | bool, ...] = ()
    """Marked where the value is one of these;"""
    below: float | None = None
    """or below this;"""
    above: float | None = None
    """or above."""
    n: int
    """Reference answers with a value."""
    marked: int
    n_effective: float
    """As many independent ones would tell as much: questions about one document count less."""

    @property
    def share(self) -> float:
        """In the reference."""
        return self.marked / self.n if self.n else 0.0

    def mark(self, measures: Measures) -> bool | None:
        """Whether the answer has the mark; None where it has no such value."""
        value = getattr(measures, self.measure)
        if value is None:
            return None
        if self.below is not None:
            return bool(value < self.below)
        if self.above is not None:
            return bool(value > self.above)
        return value in self.among


class Reference(Record):
    """What a watch compares with. No text but the labels; sentence vectors of some of the run's own questions."""

    run: str
    """The folder, as it was given."""
    variant: str
    task: str
    fingerprint: str
    """Of the task."""
    questions: int
    series: tuple[Series, ...]
    labels: tuple[str, ...] = ()
    centroids: tuple[tuple[float, ...], ...] = ()
    landmarks: tuple[tuple[float, ...], ...] = ()
    retrieves: bool = False
    notes: tuple[str, ...] = ()
    """What is not watched, and why."""

    @cached_property
    def parse_label(self) -> Callable[[str], str | None] | None:
        return label_parser(self.labels) if self.labels else None

    @cached_property
    def sketch(self) -> Sketch | None:
        return Sketch(np.array(self.centroids), np.array(self.landmarks)) if self.centroids else None

    @cached_property
    def weights(self) -> np.ndarray:
        """Groups weigh alike, and so do the series of one; confidence, whose reference comes later, is the last."""
        groups = Counter(s.group for s in self.series)
        groups.setdefault("confidence", 1)
        weights = [1 / len(groups) / groups[s.group] for s in self.series]
        return np.array([*weights, 1 / len(groups)])

    def bounds(self, confidence: Series | None = None) -> Bounds:
        """For the series and confidence; without a reference nothing of it can rise or fall."""
        series = [*self.series, *([confidence] if confidence else [])]
        marked = [s.share * s.n_effective for s in series] + [0.0] * (confidence is None)
        return Bounds.of(
            np.array(marked), np.array([s.n_effective for s in series] + [0.0] * (confidence is None)), self.weights
        )


def make_reference(results: Results, variant: str | None, embeddings: Embeddings, run: str = "") -> Reference:
    """From the answers of the recommended variant, or of `variant`.

    The sketch is made from half of the documents' questions, and counted on the other half: its own questions would
    look more alike than new ones are. Raises ConfigError for an unknown variant and for fewer than LEAST answers.
    """
    name = _variant(results, variant)
    answered = [(i, a) for i in results.items if (a := i.answers.get(name)) is not None and a.error is None]
    if len(answered) < LEAST:
        what = f"'{name}' has {len(answered)} answers without an error: at least {LEAST} are needed to compare with"
        raise ConfigError(what, where=run or None, next_step="compare on more questions")
    items = [item for item, _ in answered]
    clusters = clusters_of(items) or [i.id for i in items]
    labels = _labels(results)
    vectors = vectors_of([i.input for i in items], embeddings)
    fitted = np.array([sha256(str(c).encode()).digest()[0] % 2 == 0 for c in clusters])
    sketch = fit_sketch(vectors[fitted])
    placed = sketch.places(vectors) if sketch is not None else None
    retrieves = any(a.passages for _, a in answered)
    parse = label_parser(labels) if labels else None
    measured = [
        _measures(results, item, answer, retrieves, parse, None if placed is None or fitted[k] else placed[k])
        for k, (item, answer) in enumerate(answered)
    ]
    count = _Counter(measured, clusters)
    series = [
        *(count.questions(_nearest_ids(sketch, vectors, items)) if sketch is not None else ()),
        *(count.labels() if labels else count.lengths()),
        count.among("refused", "answers", "empty answers and refusals", "refused", (True,)),
        *(count.retrieval() if retrieves else ()),
    ]
    notes = [] if sketch is not None else ["The run has too few questions to sketch what they are about."]
    if len(answered) < FEW:
        notes.append(f"The run has only {len(answered)} questions: only a change of most questions will be noticed.")
    return Reference(
        run=run,
        variant=name,
        task=results.task.name,
        fingerprint=results.task.fingerprint,
        questions=len(answered),
        series=tuple(series),
        labels=labels,
        centroids=_rows(sketch.centroids) if sketch is not None else (),
        landmarks=_rows(sketch.landmarks) if sketch is not None else (),
        retrieves=retrieves,
        notes=tuple(notes),
    )


def _variant(results: Results, asked: str | None) -> str:
    name = asked or results.verdict.choice
    if not name:
        raise ConfigError("the run recommends no variant", next_step="name the one in use with --variant")
    if find_variant(results, name) is None:
        next_step = suggestion(name, [v.name for v in results.variants])
        raise ConfigError(f"the run has no variant '{name}'", next_step=next_step)
    return name


def _labels(results: Results) -> tuple[str, ...]:
    """The labels of a label task, as its questions have them."""
    if results.task.kind != "label":
        return ()
    return tuple(sorted({label for i in results.items for label in (i.target, *i.references)}))


def _nearest_ids(sketch: Sketch, vectors: np.ndarray, items: Sequence[Item]) -> list[str]:
    """For each centroid the id of the run's question nearest to it: a name for the topic."""
    return [items[int(k)].id for k in (vectors @ sketch.centroids.T).argmax(0)]


def _rows(array: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in array)


def _measures(
    results: Results,
    item: Item,
    answer: AnswerRow,
    retrieves: bool,
    parse: Callable[[str], str | None] | None,
    place: tuple[int, float] | None,
) -> Measures:
    texts = [results.passages[p].text for p in answer.passages if p in results.passages] if retrieves else None
    return measure(item.input, answer.text, texts, None, parse_label=parse, place=place)


class _Counter:
    """Counts marks among the reference's measures."""

    def __init__(self, measured: Sequence[Measures], clusters: Sequence[Hashable]) -> None:
        self.measured, self.clusters = measured, clusters

    def among(self, name: str, group: Group, title: str, field: str, values: Sequence[str | int | bool]) -> Series:
        return self._counted(
            Series(
                name=name, group=group, title=title, measure=field, among=tuple(values), n=0, marked=0, n_effective=0
            )
        )

    def questions(self, topics: Sequence[str]) -> list[Series]:
        """Unlike those of the run, and about each topic; a topic is named by a question of the run."""
        return [
            *self.tails("nearness", "likeness", "questions unlike those of the run", ""),
            *(
                self.among(f"topic {c + 1}", "topics", f"questions about the topic of question {name}", "cell", (c,))
                for c, name in enumerate(topics)
            ),
        ]

    def labels(self) -> list[Series]:
        counts = Counter(m.label for m in self.measured if m.label)
        common = [label for label, _ in counts.most_common(LABELS)]
        others = tuple(label for label in counts if label not in common)
        series = [self.among(f"label {v}", "answers", f"answers '{v}'", "label", (v,)) for v in common]
        if others:
            series.append(self.among("other labels", "answers", "answers with a rarer label", "label", others))
        return [
            *series,
            self.among("no label", "answers", "answers that name none of the run's labels", "label", ("",)),
        ]

    def retrieval(self) -> list[Series]:
        return [
            *self.tails("support", "retrieval", "questions whose words are not in the passages", ""),
            self.among("bare", "retrieval", "answers without passages", "bare", (True,)),
        ]

    def lengths(self) -> list[Series]:
        return self.tails("length", "answers", "very short answers", "very long answers")

    def tails(self, field: str, group: Group, low: str, high: str) -> list[Series]:
        """Series below the low and above the high quantile; "" as a title leaves one out.

        The threshold is an order statistic and the mark beyond it, so the Clopper-Pearson bound of the count bounds the
        share of new values too (the share beyond the j-th of n is Beta(j, n - j + 1))."""
        values = np.sort([v for m in self.measured if (v := getattr(m, field)) is not None])
        if not len(values):
            return []
        rank = int(TAIL * len(values))
        empty = Series(name="", group=group, title="", measure=field, n=0, marked=0, n_effective=0)
        ends = ((low, {"below": float(values[rank])}), (high, {"above": float(values[-1 - rank])}))
        return [
            self._counted(empty.model_copy(update={"name": title, "title": title, **limit}))
            for title, limit in ends
            if title
        ]

    def _counted(self, series: Series) -> Series:
        marks = [(k, mark) for k, m in enumerate(self.measured) if (mark := series.mark(m)) is not None]
        values = np.array([float(mark) for _, mark in marks])
        n = len(values)
        codes = cluster_codes(self.clusters, [k for k, _ in marks])
        effective = {"n": n, "marked": int(values.sum()), "n_effective": effective_number(values, codes)}
        return series.model_copy(update=effective)


def effective_number(values: np.ndarray, codes: np.ndarray | None) -> float:
    """How many independent answers would tell as much as these 0/1 `values` in clusters (Korn and Graubard 1998)."""
    if codes is None or not len(values):
        return float(len(values))
    groups, alone = int(codes.max()) + 1, spread(values) / np.sqrt(len(values))
    if groups < 2 or alone == 0:
        return float(groups)
    together = clustered_error(values, codes)
    return float(len(values) * min(1.0, (alone / together) ** 2 if together else 1.0))
