"""A value that is copied from the text: which of its spans is the one, learnt from the words around and within it.

A logistic regression over spans, the part of a semi-Markov field (Sarawagi and Cohen 2004) that looks at one segment:
strong where values stand in similar sentences, and nothing to write where no span is likely enough.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from domainkit.evaluation.fields.rival.candidates import MEASURED, Span, Tokens, kind, shape
from domainkit.evaluation.fields.values import Value, same_value
from domainkit.text.words import canonical

OTHERS = 24
"""Spans of a row that are learnt as wrong ones: a draw, since most are plainly wrong."""
LEAST_FOUND = 0.5
"""Values of the training rows that must stand in their texts."""
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


class SpanModel:
    """Learnt from texts and the values of one field, a list of them for each text."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._longest = 1
        self._known: Counter[str] = Counter()
        self._spelling: dict[str, Value] = {}
        self._numbers = False
        self._edges: set[tuple[str, str]] = set()
        self._features: Any = None  # scikit-learn has no types
        self._model: Any = None

    def fit(self, texts: Sequence[Tokens], values: Sequence[Sequence[Value]]) -> Self | None:
        """None where too few of the values stand in their texts."""
        right = [_places(tokens, row) for tokens, row in zip(texts, values, strict=True)]
        held = sum(bool(row) for row in values)
        found = [len(places) > 0 for places in right]
        if not held or sum(found) < LEAST_FOUND * held or sum(found) < 3:
            return None
        self._longest = max(s.end - s.first for places in right for s in places)
        pairs = zip(texts, right, strict=True)
        self._edges = {(shape(t.words[s.first]), shape(t.words[s.end - 1])) for t, places in pairs for s in places}
        all_values = [v for row in values for v in row]
        self._known = Counter(canonical(str(v)) for v in all_values)
        self._spelling = {canonical(v): v for v in all_values if isinstance(v, str)}
        self._numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in all_values)
        self._learn(texts, right)
        return self

    def _learn(self, texts: Sequence[Tokens], right: Sequence[list[Span]]) -> None:
        from sklearn.feature_extraction import FeatureHasher
        from sklearn.linear_model import LogisticRegression

        rng = random.Random(0)
        rows, labels = [], []
        for tokens, places in zip(texts, right, strict=True):
            wrong = [s for s in self._spans(tokens) if s not in places]
            # A row does not count itself: every value would otherwise be one that was seen.
            rows += [tokens.features(span, self._seen(span) - 1) for span in places]
            labels += [1] * len(places)
            drawn = rng.sample(wrong, min(len(wrong), OTHERS))
            near = [s for s in wrong if any(s.first < p.end and p.first < s.end for p in places)]
            chosen = list(dict.fromkeys((*drawn, *rng.sample(near, min(len(near), OTHERS)))))
            rows += [tokens.features(span, self._seen(span)) for span in chosen]
            labels += [0] * len(chosen)
        self._features = FeatureHasher(2**18)
        if 0 not in labels:  # no other span begins and ends as the values do
            return
        self._model = LogisticRegression(C=3, solver="liblinear")
        self._model.fit(self._features.transform(rows), labels)

    def scored(self, texts: Sequence[Tokens]) -> list[list[tuple[float, Span]]]:
        """Each text's spans that are likely enough to be of use, the likeliest first."""
        spans = [self._spans(tokens) for tokens in texts]
        rows = [t.features(s, self._seen(s)) for t, found in zip(texts, spans, strict=True) for s in found]
        if not rows:
            return [[] for _ in texts]
        if self._model is None:
            chances = np.ones(len(rows))
        else:
            chances = self._model.predict_proba(self._features.transform(rows))[:, 1]
        found = []
        for own in spans:
            mine, chances = chances[: len(own)], chances[len(own) :]
            order = np.argsort(-mine, kind="stable")
            found.append([(float(mine[k]), own[k]) for k in order if mine[k] >= THRESHOLDS[0]])
        return found

    def _spans(self, tokens: Tokens) -> list[Span]:
        """The spans that begin and end as some value does."""
        edges = [shape(word) for word in tokens.words]
        return [s for s in tokens.spans(self._longest) if (edges[s.first], edges[s.end - 1]) in self._edges]

    def _seen(self, span: Span) -> int:
        return self._known.get(canonical(span.text), 0)

    def values_of(self, scored: Sequence[tuple[float, Span]], threshold: float) -> list[Value]:
        """The values among a text's spans: the likeliest, or of a list all that do not overlap a likelier one."""
        kept: list[Span] = []
        for chance, span in scored:
            if chance < threshold or (kept and not self._several):
                break
            if not any(span.first < other.end and other.first < span.end for other in kept):
                kept.append(span)
        found = dict.fromkeys(self._value(span) for span in sorted(kept))
        return [value for value in found if value is not None]

    def _value(self, span: Span) -> Value:
        """As the training rows write it."""
        if self._numbers:
            from domainkit.evaluation.fields.numbers import read_amount

            amount = read_amount(span.text)
            if amount is None:
                return None
            return int(amount.value) if amount.value == int(amount.value) else amount.value
        return self._spelling.get(canonical(span.text), span.text)


def _places(tokens: Tokens, values: Sequence[Value]) -> list[Span]:
    """Where the values stand in the text: word for word, or as the same date or number."""
    exact = [span for value in values for span in tokens.find(str(value))]
    if exact or not values:
        return list(dict.fromkeys(exact))
    if not any(kind(str(v)) in MEASURED for v in values):
        return []
    return [s for s in tokens.measured if any(same_value(v, s.text) for v in values)]
