"""Exact match after SQuAD's normalisation, for all scripts."""

from __future__ import annotations

from domainkit.evaluation.metrics import ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task
from domainkit.text.words import answer_words


@metric("Exact match", ("answer",))
def exact_match(task: Task) -> ItemMetric:
    """1 when the answer equals any reference, by their words; else 0."""

    def score(sample: Sample, text: str) -> Score:
        answer = answer_words(text)
        return Score(float(any(answer == answer_words(r) for r in sample.references)))

    return score
