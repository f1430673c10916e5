"""Lists and conversations that a cell or a string holds as JSON text."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from domainkit.corpus.rows.jsonl import RowError
from domainkit.messages import JsonObject
from domainkit.storage import parse_json

LISTS = ("messages", "conversations", "conversation", "tools", "functions", "history")
"""Fields that can only be lists: their text is JSON."""
TEXTS_OR_LISTS = ("prompt", "completion", "chosen", "rejected", "input", "preferred_output", "non_preferred_output")
TEXT_LISTS = ("references", "doc_ids")


def with_nested(row: JsonObject, names: Sequence[str]) -> JsonObject:
    """The row with the lists that stand in it as JSON text. A text that only looks like JSON stays text."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            if name in TEXTS_OR_LISTS and not _is_conversation(value, name):
                continue
            row = {**row, name: _parsed(value, name)}
    return row


def _is_conversation(text: str, name: str) -> bool:
    try:
        value = _parsed(text, name)
    except RowError:
        return False
    entries = value.get("messages") if isinstance(value, dict) and "messages" in value else value
    entries = [entries] if isinstance(entries, dict) else entries
    return isinstance(entries, list) and any(isinstance(e, dict) and {"role", "from"} & e.keys() for e in entries)


def _parsed(text: str, name: str) -> object:
    """A list or object of JSON, or as Python prints it, which is how pandas writes lists into CSV. Raises RowError."""
    try:
        return parse_json(text)
    except ValueError as e:
        fault = str(e)
    if len(text) <= 1_000_000:
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            pass
    raise RowError(f"'{name}' is text that is not JSON: {fault}", "write the list with json.dumps")
