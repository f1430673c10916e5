"""What rows hold: their texts, wherever these stand in a row, and a hash of them. An id is no text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domainkit.clinic.personal_data.find import without_personal_data
from domainkit.messages import JsonObject
from domainkit.storage import sha256_json, sha256_lines


def hash_of_rows(rows: Sequence[JsonObject]) -> str:
    """The content of rows in their order, 16 hexadecimal digits."""
    return sha256_lines(sha256_json(row) for row in rows)[:16]


def texts_of(row: JsonObject) -> Iterator[tuple[str, str]]:
    """(name of the top field, text) of every text in a row."""
    for name, value in row.items():
        if name != "id":
            yield from ((name, text) for text in _strings(value))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def masked(row: JsonObject, kinds: frozenset[str]) -> JsonObject:
    """The row with a placeholder for each value of personal data of the `kinds`."""
    return {name: value if name == "id" else _masked(value, kinds) for name, value in row.items()}


def _masked(value: object, kinds: frozenset[str]) -> object:
    if isinstance(value, str):
        return without_personal_data(value, kinds)
    if isinstance(value, dict):
        return {name: _masked(inner, kinds) for name, inner in value.items()}
    return [_masked(inner, kinds) for inner in value] if isinstance(value, list) else value
