"""The rows of a JSON Lines file. Every malformed line is a Problem; none is repaired or skipped silently."""

from __future__ import annotations

import json
from pathlib import Path

from domainkit.corpus.text_files import encoding_problem, nul_problem, read_bytes
from domainkit.errors import Problem
from domainkit.messages import JsonObject

NumberedRow = tuple[int, JsonObject]
"""(line from 1, JSON object)."""


class RowError(Exception):
    """One row is wrong; the caller makes it a Problem with the row's line."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step


def scan_rows(path: Path) -> tuple[list[NumberedRow], list[Problem]]:
    """The well-formed rows, and a Problem for each other line. Blank lines are skipped."""
    data, problem = read_bytes(path)
    if problem:
        return [], [problem]
    rows: list[NumberedRow] = []
    problems: list[Problem] = []
    # Split at b"\n" only: str.splitlines would split inside strings that hold U+2028 or a form feed.
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        row = _parse(str(path), number, raw)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append((number, row))
    return rows, problems


def json_type(value: object) -> str:
    """A JSON value's type in words, for messages."""
    if value is None:
        return "null"
    names = {
        bool: "a true/false value",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def parse_id(value: object) -> str | None:
    """A row's `id` as text, None where there is none. Raises RowError."""
    if value is None:
        return None
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    what = "'id' is empty" if value == "" else f"'id' is {json_type(value)}, not text"
    raise RowError(what, "write a string, or leave it out")


def parse_text_list(value: object, field: str) -> tuple[str, ...]:
    """A row's list of strings; a single string is a list of one. Raises RowError."""
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise RowError(f"'{field}' is not a list of non-empty strings", f'write "{field}": ["…", "…"], or leave it out')
    return tuple(values)


def _parse(path: str, line: int, raw: bytes) -> JsonObject | Problem:
    """One line as an object, or the Problem of the line. Columns and bytes count from 1."""
    if b"\0" in raw:
        return nul_problem(path, line)
    try:
        text = raw.decode()
    except UnicodeDecodeError as e:
        return encoding_problem(path, line, e.start + 1, raw[e.start])
    try:
        value = json.loads(text, object_pairs_hook=_refuse_repeated_fields, parse_constant=_refuse_constant)
    except json.JSONDecodeError as e:
        return Problem(path, line, f"not JSON at column {e.colno}: {e.msg}", _json_next_step(text, line))
    except RecursionError:
        return Problem(path, line, "not JSON: nested too deeply", "write one flat object per line")
    except ValueError as e:
        return Problem(path, line, f"not JSON: {e}", "write one valid JSON object per line")
    if not isinstance(value, dict):
        next_step = 'write one {"field": value} object per line'
        return Problem(path, line, f"is {json_type(value)}, not an object", next_step)
    if not _encodable(value):
        next_step = "write characters beyond U+FFFF as a pair of \\u escapes, or as UTF-8"
        return Problem(path, line, "holds half of a \\u surrogate pair, which is not a character", next_step)
    return value


def _json_next_step(text: str, line: int) -> str:
    start = text.lstrip()[:1]
    if line == 1 and (start == "[" or text.strip() == "{"):
        return "this looks like one JSON value over many lines; write JSON Lines: one object per line"
    return "write one valid JSON object per line"


def _refuse_repeated_fields(pairs: list[tuple[str, object]]) -> JsonObject:
    fields: JsonObject = {}
    for name, value in pairs:
        if name in fields:
            raise ValueError(f"the field '{name}' appears twice")
        fields[name] = value
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
