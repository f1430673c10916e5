"""Exact match after SQuAD's normalisation (Rajpurkar et al. 2016, evaluate-v1.1.py)."""

from __future__ import annotations

import re
import string

from domainkit.evaluation.metrics import ItemMetric, Score, metric
from domainkit.evaluation.task import Sample, Task

_PUNCTUATION = frozenset(string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation, without the articles a, an, the, white space as single spaces: in SQuAD's
    order."""
    text = "".join(c for c in text.lower() if c not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


@metric("Exact match", ("answer",))
def exact_match(task: Task) -> ItemMetric:
    """1 when the answer equals any reference, both normalised; else 0."""

    def score(sample: Sample, text: str) -> Score:
        answer = normalise(text)
        return Score(float(any(answer == normalise(r) for r in sample.references)))

    return score
