"""Token F1: the overlap of an answer's words with a reference's (SQuAD, Rajpurkar et al. 2016, evaluate-v1.1.py)."""

from __future__ import annotations

from collections import Counter

from domainkit.evaluation.metrics import ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task
from domainkit.text.words import answer_words


def overlap_f1(answer: list[str], reference: list[str]) -> float:
    """2PR / (P + R) over bags of words. Two empty bags agree (1), an empty one with a full one does not (0), as in
    SQuAD 2.0."""
    if not answer or not reference:
        return float(answer == reference)
    common = sum((Counter(answer) & Counter(reference)).values())
    return 2 * common / (len(answer) + len(reference))


@metric("Token F1", ("answer",), primary=True)
def token_f1(task: Task) -> ItemMetric:
    """The best F1 over the references."""

    def score(sample: Sample, text: str) -> Score:
        answer = answer_words(text)
        return Score(max(overlap_f1(answer, answer_words(r)) for r in sample.references))

    return score
