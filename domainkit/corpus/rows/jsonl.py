"""The rows of a JSON Lines file. Every malformed line is a Problem; none is repaired or skipped silently."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from json import JSONDecodeError
from pathlib import Path

from domainkit.corpus.text_files import encoding_problem, nul_problem, read_bytes
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import parse_json

log = logging.getLogger("domainkit")

NumberedRow = tuple[int, JsonObject]
"""(line from 1, JSON object)."""
ScannedRows = tuple[list[NumberedRow], list[Problem]]


class RowError(Exception):
    """One row is wrong; the caller makes it a Problem with the row's line."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step


def scan_rows(path: Path) -> ScannedRows:
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


def raise_errors(problems: Sequence[Problem]) -> None:
    """Raises DataError with the errors among `problems`; where there are none, the warnings go to the log."""
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        raise DataError(errors)
    for problem in problems[: DataError.MAX_LISTED]:
        log.warning("%s", problem)
    if len(problems) > DataError.MAX_LISTED:
        log.warning("… and %d more warnings (domainkit check lists all)", len(problems) - DataError.MAX_LISTED)


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
        value = parse_json(text)
    except JSONDecodeError as e:
        return Problem(path, line, f"not JSON at column {e.colno}: {e.msg}", _json_next_step(text, line))
    except ValueError as e:
        return Problem(path, line, f"not JSON: {e}", "write one valid JSON object per line")
    if not isinstance(value, dict):
        next_step = 'write one {"field": value} object per line'
        return Problem(path, line, f"is {json_type(value)}, not an object", next_step)
    return value


def _json_next_step(text: str, line: int) -> str:
    start = text.lstrip()[:1]
    if line == 1 and (start == "[" or text.strip() == "{"):
        return "this looks like one JSON value over many lines; write JSON Lines: one object per line"
    return "write one valid JSON object per line"
