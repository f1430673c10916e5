"""The whole object without a language model: for each field the way of finding its value that does best in
cross-validation on the training rows.

- constant: the commonest value, which may be none;
- a classifier, for a field with few values: logistic regression on TF-IDF, or on sentence embeddings;
- copied: a span of the text, chosen by its own words and those around it;
- the only one: the first date, number, address or code of the text, which few rows are enough for.

A list of single values can only be copied or constant, and a list of objects is its commonest value.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domainkit.evaluation.classical import Vectors, label_models
from domainkit.evaluation.fields.compare import compare_fields, counts_of
from domainkit.evaluation.fields.objects import find_object, written
from domainkit.evaluation.fields.rival.candidates import Tokens
from domainkit.evaluation.fields.rival.flat import (
    ABSENT,
    Cell,
    Path,
    columns_of,
    commonest,
    is_list,
    is_single,
    key_of,
    object_of,
)
from domainkit.evaluation.fields.rival.only_span import groups_of, only_value
from domainkit.evaluation.fields.rival.spans import THRESHOLDS, SpanModel
from domainkit.evaluation.fields.values import is_nothing
from domainkit.messages import JsonObject

CONSTANT, COPIED, ONLY = "the commonest value", "a span copied from the text", "the first {} in the text"
FOLDS = 3
MOST_CLASSES = 60
MOST_ROWS = 2_000
"""Rows that a way is chosen on."""
Predict = Callable[[Sequence[str]], list[Cell]]
"""Texts to what the field holds."""


@dataclass(frozen=True)
class Way:
    """How one field is found."""

    name: str
    score: float
    """F1 in cross-validation."""
    threshold: float = 0.5
    """The chance that a span must have."""
    group: str = ""
    """Of the only one: date, number, address or code."""


def fit_rules(
    questions: Sequence[str], targets: Sequence[str], vectors: Vectors
) -> Callable[[Sequence[str]], list[str]]:
    """A function from texts to the JSON of their objects, learnt field by field. Deterministic."""
    rows = [find_object(target).fields or {} for target in targets]
    columns = columns_of(rows)
    ways = choose_ways(questions, columns, vectors)
    fitted = {path: _fit(ways[path], questions, column, vectors) for path, column in columns.items()}

    def predict(new: Sequence[str]) -> list[str]:
        cells = {path: found(new) for path, found in fitted.items()}
        return [written(object_of({path: column[i] for path, column in cells.items()})) for i in range(len(new))]

    return predict


def choose_ways(questions: Sequence[str], columns: Mapping[Path, Sequence[Cell]], vectors: Vectors) -> dict[Path, Way]:
    """For each field the best way by cross-validation; of equals the first, which is the cheapest."""
    chosen = random.Random(0).sample(range(len(questions)), min(len(questions), MOST_ROWS))
    texts = [questions[i] for i in chosen]
    tokens = [Tokens(text) for text in texts]
    return {path: _choose(texts, tokens, [column[i] for i in chosen], vectors) for path, column in columns.items()}


def _choose(texts: list[str], tokens: list[Tokens], column: list[Cell], vectors: Vectors) -> Way:
    ways = [Way(CONSTANT, _score(column, [commonest(column)] * len(column)))]
    if is_single(column):
        ways += _only(tokens, column)
    if len(texts) < 2 * FOLDS:
        return max(ways, key=lambda way: way.score)
    if is_single(column):
        few = 2 <= len(set(map(key_of, column))) <= min(MOST_CLASSES, len(column) / 2)
        names = [*label_models(vectors)] if few else []
        ways += [Way(name, _score(column, _held_out(name, texts, column, vectors))) for name in names]
    if is_single(column) or is_list(column):
        ways += _copied(tokens, column)
    return max(ways, key=lambda way: way.score)


def _only(tokens: list[Tokens], column: list[Cell]) -> list[Way]:
    """Ways that learn nothing but what the field holds: their score on the rows needs no folds."""
    groups = groups_of(tokens, [_values(cell) for cell in column])
    return [Way(ONLY.format(group), _score(column, _first(tokens, group, column)), group=group) for group in groups]


def _first(tokens: Sequence[Tokens], group: str, column: Sequence[Cell]) -> list[Cell]:
    held = [value for cell in column for value in _values(cell)]
    number = all(isinstance(value, int | float) for value in held)
    found = [only_value(t, group, number=number) for t in tokens]
    return [_cell([] if value is None else [value], False, column) for value in found]


def _held_out(name: str, texts: list[str], column: list[Cell], vectors: Vectors) -> list[Cell]:
    """Every row's value by a classifier that did not learn the row."""
    found: list[Cell] = [None] * len(column)
    same = Vectors(vectors.learn, vectors.learn)
    for fold in range(FOLDS):
        learnt = [i for i in range(len(texts)) if i % FOLDS != fold]
        asked = [i for i in range(len(texts)) if i % FOLDS == fold]
        predict = _fit(Way(name, 0), [texts[i] for i in learnt], [column[i] for i in learnt], same)
        for i, value in zip(asked, predict([texts[i] for i in asked]), strict=True):
            found[i] = value
    return found


def _copied(tokens: list[Tokens], column: list[Cell]) -> list[Way]:
    """The way of copying with the best threshold; none where the values do not stand in the texts."""
    several = is_list(column)
    values = [_values(cell) for cell in column]
    found: dict[float, list[Cell]] = {threshold: [ABSENT] * len(column) for threshold in THRESHOLDS}
    for fold in range(FOLDS):
        learnt = [i for i in range(len(tokens)) if i % FOLDS != fold]
        asked = [i for i in range(len(tokens)) if i % FOLDS == fold]
        model = SpanModel(several=several).fit([tokens[i] for i in learnt], [values[i] for i in learnt])
        if model is None:
            return []
        for i, scored in zip(asked, model.scored([tokens[i] for i in asked]), strict=True):
            for threshold, cells in found.items():
                cells[i] = _cell(model.values_of(scored, threshold), several, column)
    scores = {threshold: _score(column, cells) for threshold, cells in found.items()}
    best = max(scores, key=lambda threshold: (scores[threshold], -abs(threshold - 0.5)))
    return [Way(COPIED, scores[best], best)]


def _fit(way: Way, texts: Sequence[str], column: Sequence[Cell], vectors: Vectors) -> Predict:
    usual = commonest(column)
    if way.name == COPIED:
        several = is_list(column)
        model = SpanModel(several=several).fit([Tokens(t) for t in texts], [_values(cell) for cell in column])
        if model is not None:
            return lambda new: [
                _cell(model.values_of(scored, way.threshold), several, column)
                for scored in model.scored([Tokens(t) for t in new])
            ]
    elif way.group:
        return lambda new: _first([Tokens(t) for t in new], way.group, column)
    elif way.name != CONSTANT:
        by_key = {key_of(cell): cell for cell in column}
        classes = label_models(vectors)[way.name](list(texts), [key_of(cell) for cell in column], vectors)
        return lambda new: [by_key[key] for key in classes(new)]
    return lambda new: [usual] * len(new)


def _values(cell: Cell) -> list[Cell]:
    cells = cell if isinstance(cell, list) else [cell]
    return [c for c in cells if c is not ABSENT and not is_nothing(c) and not isinstance(c, bool)]


def _cell(values: list[Cell], several: bool, column: Sequence[Cell]) -> Cell:
    """The values as the field holds them; with none, as the training rows write none."""
    if several:
        return values
    return values[0] if values else next((cell for cell in column if cell is ABSENT or is_nothing(cell)), ABSENT)


def _score(column: Sequence[Cell], found: Sequence[Cell]) -> float:
    """F1 over the rows of one field; of a field that is rarely filled, how well the filled ones are found."""
    match = gold = answered = 0
    for right, given in zip(column, found, strict=True):
        counts = counts_of(compare_fields(_one(right), _one(given)))
        match, gold, answered = match + counts.match, gold + counts.gold, answered + counts.answered
    return 2 * match / (gold + answered) if gold + answered else 1.0


def _one(cell: Cell) -> JsonObject:
    return {} if cell is ABSENT else {"value": cell}
