"""Targets as columns: one for each field, so that each field can be learnt alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from domainkit.evaluation.fields.objects import written
from domainkit.messages import JsonObject

Path = tuple[str, ...]
"""The names that lead to a field: ("seller", "name")."""
Cell = Any
"""What one target has in a field: a JSON value, or ABSENT."""
ABSENT = object()


def columns_of(targets: Sequence[JsonObject]) -> dict[Path, list[Cell]]:
    """Every field's values, row by row. An object's fields are fields of their own, a list is one value."""
    flat = [dict(_flat(target, ())) for target in targets]
    paths = dict.fromkeys(path for row in flat for path in row)
    return {path: [row.get(path, ABSENT) for row in flat] for path in paths}


def _flat(value: JsonObject, before: Path) -> list[tuple[Path, Cell]]:
    found: list[tuple[Path, Cell]] = []
    for name, inner in value.items():
        path = (*before, name)
        found += _flat(inner, path) if isinstance(inner, dict) and inner else [(path, inner)]
    return found


def object_of(cells: Mapping[Path, Cell]) -> JsonObject:
    """The object whose fields these are, without those that are ABSENT."""
    made: JsonObject = {}
    for path, value in cells.items():
        if value is ABSENT:
            continue
        place = made
        for name in path[:-1]:
            inner = place.get(name)
            # A field that is an object in some rows and a text in others: the object wins.
            place[name] = inner if isinstance(inner, dict) else {}
            place = place[name]
        if not isinstance(place.get(path[-1]), dict):
            place[path[-1]] = value
    return made


def is_list(column: Sequence[Cell]) -> bool:
    """Whether the field holds lists of single values."""
    lists = [cell for cell in column if isinstance(cell, list)]
    return bool(lists) and all(
        cell is ABSENT or cell is None or (isinstance(cell, list) and not any(isinstance(v, dict | list) for v in cell))
        for cell in column
    )


def is_single(column: Sequence[Cell]) -> bool:
    """Whether the field holds single values."""
    return not any(isinstance(cell, dict | list) for cell in column)


def key_of(cell: Cell) -> str:
    return "" if cell is ABSENT else written(cell)


def commonest(column: Sequence[Cell]) -> Cell:
    counts = Counter(map(key_of, column))
    best = min(counts, key=lambda key: (-counts[key], key))
    return next(cell for cell in column if key_of(cell) == best)
