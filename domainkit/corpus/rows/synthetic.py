"""Rows that a model wrote, not a person: the mark `"synthetic": true`, and the fields that say where such a row comes
from."""

from __future__ import annotations

from domainkit.messages import JsonObject

MARK = "synthetic"
ORIGIN = frozenset(("quote", "document", "page", "headings", "writer"))
"""Fields of a synthetic row that nothing learns: what it rests on, and the model that wrote it."""
_SPELLINGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False, "none": False}
"""In lower case, as tables write it."""


def synthetic_mark(row: JsonObject) -> bool | None:
    """Whether the row is marked synthetic; None where its field says neither yes nor no."""
    value = row.get(MARK)
    if isinstance(value, float) and value.is_integer():  # a spreadsheet's 1
        value = int(value)
    return _SPELLINGS.get(str(value).strip().lower()) if isinstance(value, str | int | None) else None


def fields_of_mark(row: JsonObject) -> frozenset[str]:
    """The fields of the row that belong to its mark: each is understood, though nothing learns it."""
    marked = synthetic_mark(row)
    if marked is None:
        return frozenset()
    return ORIGIN | {MARK} if marked else frozenset((MARK,))
