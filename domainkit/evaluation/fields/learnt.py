"""The schema that solved examples have in common, where none is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domainkit.messages import JsonObject

MOST_OPTIONS = 12
"""A field with at most this many values, each on OPTION_ROWS rows or more, is a choice: a value that nobody has seen is
then unlikely to come."""
OPTION_ROWS = 3
LONGEST_OPTION = 80
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def schema_of(targets: Sequence[JsonObject], others: Sequence[JsonObject] = ()) -> JsonObject:
    """A JSON Schema of objects: every field that one of them has, its types, and its values where they are few.

    A field that every target has is required, and one that is null somewhere may be null: answers are then written as
    the targets are. `others` teach nothing but this: a field in which they hold a value that no target has is not a
    choice, and stays open.
    """
    names = list(dict.fromkeys(name for target in targets for name in target))
    return {
        "type": "object",
        "properties": {name: _schema(_held(name, targets), _held(name, others)) for name in names},
        "required": [name for name in names if all(name in target for target in targets)],
        "additionalProperties": False,
    }


def _held(name: str, objects: Sequence[JsonObject]) -> list[Any]:
    return [found[name] for found in objects if name in found]


def _schema(values: Sequence[Any], others: Sequence[Any]) -> JsonObject:  # Any: JSON values
    there = [v for v in values if v is not None]
    null = ["null"] if len(there) < len(values) else []
    if not there:
        return {"type": ["string", "null"]}
    if all(isinstance(v, dict) for v in there):
        return _or_null(schema_of(there, [v for v in others if isinstance(v, dict)]), bool(null))
    if all(isinstance(v, list) for v in there):
        entries = [entry for v in there for entry in v]
        more = [entry for v in others if isinstance(v, list) for entry in v]
        return _or_null({"type": "array", "items": _schema(entries, more) if entries else {}}, bool(null))
    if any(isinstance(v, dict | list) for v in there):
        return {}
    names = sorted({_NAMES[type(v)] for v in there})
    types = [*(n for n in names if not (n == "integer" and "number" in names)), *null]
    schema: JsonObject = {"type": types if len(types) > 1 else types[0]}
    options = _options(there)
    if any(v is not None and v not in options for v in others):
        options = []
    return {**schema, "enum": [*options, *([None] if null else [])]} if options else schema


def _or_null(schema: JsonObject, null: bool) -> JsonObject:
    return {"anyOf": [schema, {"type": "null"}]} if null else schema


def _options(values: Sequence[Any]) -> list[str]:
    """The values of a choice, the commonest first; none where they are not one."""
    if not all(isinstance(v, str) and len(v) <= LONGEST_OPTION for v in values):
        return []
    counts: dict[str, int] = {}
    for v in values:
        counts[v] = counts.get(v, 0) + 1
    few = 0 < len(counts) <= MOST_OPTIONS and min(counts.values()) >= OPTION_ROWS
    return sorted(counts, key=lambda v: (-counts[v], v)) if few else []
