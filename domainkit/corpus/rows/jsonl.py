"""JSON Lines: one object a line. Every malformed line is a Problem; none is repaired or skipped silently."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from json import JSONDecodeError
from pathlib import Path

from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import TextFile, open_text
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import parse_json

log = logging.getLogger("domainkit")

ScannedRows = tuple[list[NumberedRow], list[Problem]]
FORMAT = "JSON Lines"


class RowError(Exception):
    """One row is wrong; the caller makes it a Problem with the row's line."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what, next_step)
        self.what = what
        self.next_step = next_step


def open_jsonl(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a JSON Lines file. A file of this name that holds one JSON value over all lines is read as that."""
    from domainkit.corpus.rows.formats.json_file import open_json, opening

    file, problems = open_text(path)
    if file is None:
        return RowSource(str(path), FORMAT, problems=problems)
    if opening(file) in ("[", "{\n"):
        return open_json(path, wanted)
    return RowSource(str(path), FORMAT, (file.encoding_name,), problems, lambda: _rows(file))


def scan_rows(path: Path) -> ScannedRows:
    """The well-formed rows of a JSON Lines file, and a Problem for each other line. Blank lines are skipped."""
    return open_jsonl(path).all()


def _rows(file: TextFile) -> Iterator[NumberedRow | Problem]:
    path = str(file.path)
    for number, line in file.lines():
        if isinstance(line, Problem):
            yield line
        elif not line.isspace():
            row = _parse(path, number, line.rstrip("\r\n"))
            yield row if isinstance(row, Problem) else (number, row)


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


def parse_id(value: object, field: str = "id") -> str | None:
    """A row's `id`, or another name in `field`, as text; None where there is none. Raises RowError."""
    if value is None:
        return None
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return str(value)
    what = f"'{field}' is empty" if value == "" else f"'{field}' is {json_type(value)}, not text"
    raise RowError(what, "write a string, or leave it out")


def parse_text_list(value: object, field: str) -> tuple[str, ...]:
    """A row's list of strings; a single string is a list of one. Raises RowError."""
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        raise RowError(f"'{field}' is not a list of non-empty strings", f'write "{field}": ["…", "…"], or leave it out')
    return tuple(values)


def _parse(path: str, line: int, text: str) -> JsonObject | Problem:
    """One line as an object, or the Problem of the line. Columns count from 1."""
    try:
        value = parse_json(text)
    except JSONDecodeError as e:
        return Problem(path, line, f"not JSON at column {e.colno}: {e.msg}", "write one valid JSON object per line")
    except ValueError as e:
        return Problem(path, line, f"not JSON: {e}", "write one valid JSON object per line")
    if not isinstance(value, dict):
        next_step = 'write one {"field": value} object per line'
        return Problem(path, line, f"is {json_type(value)}, not an object", next_step)
    return value
