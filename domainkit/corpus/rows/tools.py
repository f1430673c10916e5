"""The tools of rows that do not bring their own: one list for all of them, from a JSON file or a program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.corpus.rows.jsonl import RowError
from domainkit.corpus.rows.turns import parse_tools
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import parse_json, read_bytes

ToolsGiven = Path | str | Sequence[JsonObject]
"""A JSON file of a list of tools, or the list itself."""


def read_tools(given: ToolsGiven | None) -> tuple[JsonObject, ...]:
    """The tools, in OpenAI's form; none where nothing is given. Raises DataError for anything else."""
    if given is None:
        return ()
    is_file = isinstance(given, str | Path)
    where = str(given) if is_file else "tools"
    next_step = 'write a JSON list: [{"type": "function", "function": {"name": …, "parameters": …}}]'
    try:
        value = parse_json(read_bytes(Path(given))) if isinstance(given, str | Path) else list(given)
        tools = parse_tools(value)
    except (OSError, ValueError) as e:
        reason = (e.strerror if isinstance(e, OSError) else None) or e
        raise DataError([Problem(where, None, f"cannot be read: {reason}", next_step)]) from e
    except RowError as e:
        raise DataError([Problem(where, None, e.what, e.next_step)]) from e
    if not tools:
        raise DataError([Problem(where, None, "lists no tool", next_step)])
    return tools
