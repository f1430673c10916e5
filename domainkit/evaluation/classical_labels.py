"""Several labels a question without a language model: one logistic regression a label, and the chance from which a
label is named; or the labels of the nearest solved example.

The threshold is the one for all labels that scores best, by the F1 of a question's labels, in cross-validation.
Where every training row has a label, the likeliest is named even when none reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from domainkit.evaluation.classical import (
    EMBEDDED,
    FOLDS,
    NEAREST,
    STRENGTHS,
    TFIDF,
    Fit,
    Predict,
    Vectors,
    fitted_regression,
    label_models,
    tfidf_features,
)
from domainkit.evaluation.fields.objects import parse_list, written

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 19))
USUAL = 0.5
"""The threshold of few rows."""
LEAST_ROWS = 12
ONE_A_LABEL = "{}, one a label"
Chances = Callable[[Sequence[str]], np.ndarray]
"""Texts to the chance of each label, array (texts, labels)."""


def labels_models(vectors: Vectors) -> dict[str, Fit]:
    """Those that this machine can fit, the cheapest first."""
    names = [TFIDF, *([EMBEDDED] if vectors.learn else [])]
    fits: dict[str, Fit] = {ONE_A_LABEL.format(name): partial(_fit, name) for name in names}
    # The nearest example's whole set of labels is one answer, as in a task with one label.
    return {**fits, **{name: fit for name, fit in label_models(vectors).items() if name == NEAREST}}


def _fit(name: str, questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
    sets = [frozenset(map(str, parse_list(target) or ())) for target in targets]
    labels = sorted(frozenset().union(*sets))
    right = np.array([[label in row for label in labels] for row in sets], dtype=bool)
    if not labels:
        return lambda new: [written([])] * len(new)
    always = bool(right.any(1).all())
    threshold = _threshold(name, questions, right, vectors, always)
    chances = _learn(name, questions, right, vectors)

    def predict(new: Sequence[str]) -> list[str]:
        if not len(new):
            return []
        named = _named(chances(new), threshold, always)
        return [written([label for label, is_named in zip(labels, row, strict=True) if is_named]) for row in named]

    return predict


def _learn(name: str, questions: Sequence[str], right: np.ndarray, vectors: Vectors) -> Chances:
    learn, read = vectors.both() if name == EMBEDDED else tfidf_features()
    features = learn(questions)
    models = [
        fitted_regression(STRENGTHS[name], features, column.tolist()) if 0 < column.sum() < len(column) else None
        for column in right.T
    ]

    def chances(new: Sequence[str]) -> np.ndarray:
        seen = read(new)
        # A label that every row has, or none of a part of them, is as likely as it was there.
        return np.column_stack(
            [
                np.full(len(new), column.mean()) if model is None else model.predict_proba(seen)[:, 1]
                for model, column in zip(models, right.T, strict=True)
            ]
        )

    return chances


def _threshold(name: str, questions: Sequence[str], right: np.ndarray, vectors: Vectors, always: bool) -> float:
    """The best by cross-validation; of equals the one nearest to a half."""
    if len(questions) < LEAST_ROWS:
        return USUAL
    fold = np.arange(len(questions)) % FOLDS
    same = Vectors(vectors.learn, vectors.learn)
    chances = np.zeros(right.shape)
    for held_out in range(FOLDS):
        learnt = _learn(
            name, [q for q, f in zip(questions, fold, strict=True) if f != held_out], right[fold != held_out], same
        )
        chances[fold == held_out] = learnt([q for q, f in zip(questions, fold, strict=True) if f == held_out])
    scores = {t: _mean_f1(_named(chances, t, always), right) for t in THRESHOLDS}
    return max(scores, key=lambda t: (scores[t], -abs(t - USUAL)))


def _named(chances: np.ndarray, threshold: float, always: bool) -> np.ndarray:
    named = chances >= threshold
    if always:
        named[np.arange(len(named)), chances.argmax(1)] = True
    return named


def _mean_f1(named: np.ndarray, right: np.ndarray) -> float:
    whole = named.sum(1) + right.sum(1)
    return float(np.where(whole > 0, 2 * (named & right).sum(1) / np.maximum(whole, 1), 1.0).mean())
