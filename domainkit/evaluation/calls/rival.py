"""Tool calls without a language model: a classifier chooses the tool, or none, and rules fill in its arguments.

The rules are those of `domainkit.evaluation.fields.rival`: of each argument the commonest value, a class, or a span of
the question. Arguments of one name are learnt together, whatever the tool: a hive is found in a question about its
weight as in one about a visit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from domainkit.evaluation.calls.call_list import Call, calls_of, write_calls
from domainkit.evaluation.classical import EMBEDDED, Fit, Predict, Vectors, fit_probabilities
from domainkit.evaluation.fields.objects import find_object, written
from domainkit.evaluation.fields.rival.rules import fit_rules
from domainkit.messages import JsonObject, tool_name

RULES = "rules for its arguments"
Choice = tuple[str, ...]
"""The tools that a question calls, in alphabetical order; () for none."""
Rank = Callable[[Sequence[str]], list[list[Choice]]]
"""Questions to choices, the likeliest first."""


class Place(NamedTuple):
    """An argument of a call."""

    name: str
    nth: int
    """Of several calls of one tool in an answer, which."""


Rule = Callable[[Sequence[str]], list[str]]
"""Questions to the JSON of an object with the argument, or without it."""


def call_models(vectors: Vectors) -> dict[str, Fit]:
    """Those that this machine can fit, the cheapest first."""
    models = {f"TF-IDF with logistic regression for the tool, {RULES}": _fit_with(_by_tfidf)}
    if vectors.learn:
        models[f"{EMBEDDED} for the tool, {RULES}"] = _fit_with(_by_embeddings)
        models[f"the tool of the nearest solved example by sentence embeddings, {RULES}"] = _fit_with(_by_nearest)
    return models


class CallModel:
    """A function from questions to the JSON lists of their calls."""

    def __init__(self, rank: Rank, names: Mapping[str, Sequence[str]], rules: Mapping[Place, Rule]) -> None:
        self._rank = rank
        self._names = names
        """By tool, the arguments that some training row gives."""
        self._rules = rules

    def __call__(self, questions: Sequence[str]) -> list[str]:
        return self.among(questions, [None] * len(questions))

    def among(self, questions: Sequence[str], offered: Sequence[Sequence[JsonObject] | None]) -> list[str]:
        """Each question's calls, of the tools that are offered with it; None: of all that were learnt."""
        allowed = [None if tools is None else {tool_name(t) for t in tools} for tools in offered]
        chosen = [
            next((c for c in ranked if among is None or among.issuperset(c)), ())
            for ranked, among in zip(self._rank(questions), allowed, strict=True)
        ]
        values = self._values(questions, chosen)
        return [
            write_calls([Call(tool, self._arguments(tool, nth, i, values)) for tool, nth in _numbered(tools)])
            for i, tools in enumerate(chosen)
        ]

    def _values(self, questions: Sequence[str], chosen: Sequence[Choice]) -> dict[tuple[Place, int], JsonObject]:
        """What each rule finds in each question that needs it."""
        asked: dict[Place, list[int]] = defaultdict(list)
        for i, tools in enumerate(chosen):
            places = (Place(name, nth) for tool, nth in _numbered(tools) for name in self._names.get(tool, ()))
            for place in dict.fromkeys(places):
                if place in self._rules:
                    asked[place].append(i)
        return {
            (place, i): find_object(text).fields or {}
            for place, rows in asked.items()
            for i, text in zip(rows, self._rules[place]([questions[i] for i in rows]), strict=True)
        }

    def _arguments(self, tool: str, nth: int, i: int, values: Mapping[tuple[Place, int], JsonObject]) -> JsonObject:
        found = (values.get((Place(name, nth), i), {}) for name in self._names.get(tool, ()))
        return {name: value for one in found for name, value in one.items()}


def _numbered(tools: Sequence[str]) -> list[tuple[str, int]]:
    """Each tool with how often it stood there before."""
    return [(tool, tools[:i].count(tool)) for i, tool in enumerate(tools)]


def _fit_with(ranked_by: Callable[[Sequence[str], list[Choice], Vectors], Rank]) -> Fit:
    def fit(questions: list[str], targets: list[str], vectors: Vectors) -> Predict:
        calls = [sorted(calls_of(target), key=lambda call: call.name) for target in targets]
        choices: list[Choice] = [tuple(call.name for call in row) for row in calls]
        names: dict[str, list[str]] = defaultdict(list)
        for call in (call for row in calls for call in row):
            names[call.name] += [name for name in call.arguments or {} if name not in names[call.name]]
        rows: dict[Place, list[tuple[str, str]]] = defaultdict(list)
        for question, row in zip(questions, calls, strict=True):
            for (tool, nth), call in zip(_numbered([c.name for c in row]), row, strict=True):
                for name in names[tool]:
                    held = {name: call.arguments[name]} if call.arguments and name in call.arguments else {}
                    rows[Place(name, nth)].append((question, written(held)))
        rules = {place: fit_rules([q for q, _ in own], [t for _, t in own], vectors) for place, own in rows.items()}
        return CallModel(ranked_by(questions, choices, vectors), names, rules)

    return fit


def _by_tfidf(questions: Sequence[str], choices: list[Choice], vectors: Vectors) -> Rank:
    return _by_classes(questions, choices, vectors, "TF-IDF", 10)


def _by_embeddings(questions: Sequence[str], choices: list[Choice], vectors: Vectors) -> Rank:
    return _by_classes(questions, choices, vectors, EMBEDDED, 30)


def _by_classes(questions: Sequence[str], choices: list[Choice], vectors: Vectors, name: str, c: float) -> Rank:
    known = sorted(set(choices))
    if len(known) == 1:
        return lambda new: [known] * len(new)
    names = [str(known.index(choice)) for choice in choices]
    classes, chances = fit_probabilities(questions, names, vectors, name, c)

    def rank(new: Sequence[str]) -> list[list[Choice]]:
        orders = np.argsort(-chances(new), axis=1, kind="stable").tolist() if len(new) else []
        return [[known[int(classes[k])] for k in order] for order in orders]

    return rank


def _by_nearest(questions: Sequence[str], choices: list[Choice], vectors: Vectors) -> Rank:
    learn, read = vectors.both()
    solved = learn(questions).T

    def rank(new: Sequence[str]) -> list[list[Choice]]:
        orders = np.argsort(-np.round(read(new) @ solved, 5), axis=1, kind="stable").tolist() if len(new) else []
        return [list(dict.fromkeys(choices[k] for k in order)) for order in orders]

    return rank
