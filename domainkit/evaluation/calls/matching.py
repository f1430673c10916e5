"""Which calls of an answer are which of those wanted, and how much of them is right.

What counts are pairs: a call with its tool's name, and the call with each value of its arguments, compared as
`domainkit.evaluation.fields` compares them. Calls of one tool are paired so that most agrees; their order does not
matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

from domainkit.errors import ConfigError
from domainkit.evaluation.calls.call_list import Call
from domainkit.evaluation.fields.compare import Counts, Leaf, compare_fields, counts_of
from domainkit.evaluation.fields.form import ANY, Form, form_of
from domainkit.messages import JsonObject, function_of

MOST_ORDERS = 6
"""Calls of one tool whose every pairing is tried; of more, each takes the best that is left, in the order wanted."""
UNREADABLE = "(unreadable)"
"""The path of arguments that are no JSON object."""


class Pair(NamedTuple):
    """A call that was wanted and the one given in its place."""

    wanted: Call | None
    """None: nothing wanted is like it."""
    given: Call | None
    """None: nothing given is like it."""
    leaves: tuple[Leaf, ...]
    """Of their arguments."""

    @property
    def tool(self) -> str:
        call = self.wanted or self.given
        return call.name if call else ""

    @property
    def counts(self) -> Counts:
        """The tool's name and each value of the arguments."""
        match, gold, answered = counts_of(self.leaves)
        wanted, given = self.wanted is not None, self.given is not None
        return Counts(match + (wanted and given), gold + wanted, answered + given)


def pair_calls(wanted: Sequence[Call], given: Sequence[Call], tools: Sequence[JsonObject] = ()) -> list[Pair]:
    """Every call of both sides once. Only calls of one tool are paired."""
    pairs: list[Pair] = []
    for name in dict.fromkeys(call.name for call in (*wanted, *given)):
        tool = next((function_of(t) for t in tools if function_of(t).get("name") == name), {})
        left, right = [c for c in wanted if c.name == name], [c for c in given if c.name == name]
        pairs += _best_pairs(left, right, tool)
    return pairs


def count_calls(wanted: Sequence[Call], given: Sequence[Call], tools: Sequence[JsonObject] = ()) -> Counts:
    """The sum over all calls of a question."""
    counts = [pair.counts for pair in pair_calls(wanted, given, tools)]
    return Counts(*(sum(column) for column in zip(*counts, strict=True))) if counts else Counts(0, 0, 0)


def form_of_tool(tool: JsonObject) -> Form:
    """How the arguments of a tool are compared. Raises ConfigError for parameters that say what they cannot mean."""
    parameters = function_of(tool).get("parameters")
    return _form(json.dumps(parameters, sort_keys=True)) if isinstance(parameters, dict) else ANY


@lru_cache(maxsize=1000)
def _form(parameters: str) -> Form:
    schema: JsonObject = json.loads(parameters)
    return form_of(schema) if schema.get("properties") else ANY


def _best_pairs(wanted: Sequence[Call], given: Sequence[Call], tool: JsonObject) -> Iterator[Pair]:
    """Of equally good pairings the first: the order of both sides."""
    fewer, more = sorted((range(len(wanted)), range(len(given))), key=len)
    swapped = len(given) < len(wanted)
    tried = {
        (i, j): _pair(wanted[j], given[i], tool) if swapped else _pair(wanted[i], given[j], tool)
        for i in fewer
        for j in more
    }
    order = _greedy(tried, fewer, more) if len(more) > MOST_ORDERS else _best_order(tried, fewer, more)
    yield from (tried[i, j] for i, j in zip(fewer, order, strict=True))
    for j in (j for j in more if j not in order):
        yield _pair(wanted[j], None, tool) if swapped else _pair(None, given[j], tool)


Tried = dict[tuple[int, int], Pair]


def _best_order(tried: Tried, fewer: range, more: range) -> tuple[int, ...]:
    return max(
        permutations(more, len(fewer)),
        key=lambda order: sum(tried[i, j].counts.match for i, j in zip(fewer, order, strict=True)),
    )


def _greedy(tried: Tried, fewer: range, more: range) -> tuple[int, ...]:
    left, order = list(more), []
    for i in fewer:
        best = max(left, key=lambda j: tried[i, j].counts.match)
        left.remove(best)
        order.append(best)
    return tuple(order)


def _pair(wanted: Call | None, given: Call | None, tool: JsonObject) -> Pair:
    try:
        form = form_of_tool(tool)
    except ConfigError:  # told where the rows are read
        form = ANY
    leaves = compare_fields(_values(wanted, tool), _values(given, tool), form)
    if given is not None and given.arguments is None:
        leaves.append(Leaf(UNREADABLE, UNREADABLE, "invention", None, given.text))
    return Pair(wanted, given, tuple(leaves))


def _values(call: Call | None, tool: JsonObject) -> JsonObject:
    """The arguments. One that has its schema's default is as if left out."""
    given = call.arguments if call else None
    parameters = tool.get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    schemas = properties if isinstance(properties, dict) else {}
    defaults = {n: s["default"] for n, s in schemas.items() if isinstance(s, dict) and "default" in s}
    return {n: v for n, v in (given or {}).items() if n not in defaults or v != defaults[n]}


__all__ = ["Pair", "count_calls", "form_of_tool", "pair_calls"]
