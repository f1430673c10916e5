"""JSON: one list of objects, an object that holds it, or columns as pandas writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, islice
from json import JSONDecodeError
from pathlib import Path

from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import TextFile, open_text
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject
from domainkit.storage import parse_json_at

FORMAT = "JSON"
UNIT = "row"
_SPACE = re.compile(r"[ \t\n\r]*")
_ROWS = 'write a list of rows: [{"field": value}, …], or one row a line in a file named .jsonl'
_LINE_END = re.compile(r"\r\n?|\n")


def open_json(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a JSON file. A file of this name with one object a line is read as JSON Lines."""
    from domainkit.corpus.rows.jsonl import open_jsonl

    file, problems = open_text(path)
    if file is None:
        return RowSource(str(path), FORMAT, problems=problems)
    if opening(file) == "{" and len(list(islice(_filled_lines(file), 2))) == 2:
        return open_jsonl(path)
    try:
        text = file.text()
    except DataError as e:
        return RowSource(str(path), FORMAT, problems=[*problems, *e.problems])
    facts = (file.encoding_name,)
    start = _skip(text, 0)
    if text[start : start + 1] == "[":
        unit = "" if _has_lines(text, start + 1) else UNIT
        return RowSource(
            str(path),
            FORMAT,
            (*facts, "a list"),
            problems,
            lambda: _elements(str(path), text, start + 1, unit),
            unit=unit,
        )
    found = _whole(str(path), text, start, wanted)
    if isinstance(found, Problem):
        return RowSource(str(path), FORMAT, facts, [*problems, found])
    rows, fact = found
    return RowSource(str(path), FORMAT, (*facts, fact), problems, lambda: enumerate(rows, 1), unit=UNIT)


def opening(file: TextFile) -> str:
    """How the text begins: "[", "{" where the first line is a whole object, "{\\n" where it is not, or ""."""
    text = next(_filled_lines(file), "")
    if not text.startswith("{"):
        return text[:1] if text.startswith("[") else ""
    return "{" if _is_object(text) else "{\n"


def _filled_lines(file: TextFile) -> Iterator[str]:
    lines = ("?" if isinstance(line, Problem) else line.strip() for _, line in file.lines())
    return (line for line in lines if line)


def _is_object(text: str) -> bool:
    """Whether an object ends on its line, or is broken there: an open one goes on in the next lines."""
    try:
        parse_json_at(text, 0)
    except JSONDecodeError as e:
        return _skip(text, e.pos) < len(text) and e.msg != "Unterminated string starting at"
    except ValueError:
        return True
    return True


def _has_lines(text: str, start: int) -> bool:
    """Whether the second object of a list begins on another line than the first."""
    first = _skip(text, start)
    try:
        _, end = parse_json_at(text, first)
    except ValueError:
        return True
    after = _skip(text, end)
    second = _skip(text, after + 1) if text[after : after + 1] == "," else after
    return _LINE_END.search(text, first, second) is not None


def _elements(path: str, text: str, start: int, unit: str) -> Iterator[NumberedRow | Problem]:
    """The objects of a list, each with the line on which it begins; with a `unit`, with its number."""
    line, counted, at = 1, 0, start
    for number in count(1):
        at = _skip(text, at)
        line, counted = line + len(_LINE_END.findall(text, counted, at)), at
        if text[at : at + 1] == "]":
            rest = _skip(text, at + 1)
            if rest < len(text):
                yield Problem(path, line, "text follows the list of rows", _ROWS)
            return
        try:
            value, at = parse_json_at(text, at)
        except ValueError as e:
            yield _fault(path, text, e, line)
            return
        place = number if unit else line
        if isinstance(value, dict):
            yield place, value
        else:
            yield Problem(path, place, "holds a row that is not an object", _ROWS, unit=unit)
        at = _skip(text, at)
        if text[at : at + 1] not in (",", "]"):
            line += len(_LINE_END.findall(text, counted, at))
            yield Problem(path, line, "a comma or the end of the list is missing behind a row", _ROWS)
            return
        at += text[at] == ","


def _whole(path: str, text: str, start: int, wanted: frozenset[str]) -> tuple[list[JsonObject], str] | Problem:
    """The rows of one object, and where in it they were."""
    if start == len(text):
        return [], "empty"
    try:
        value, end = parse_json_at(text, start)
    except ValueError as e:
        return _fault(path, text, e, 1)
    if not isinstance(value, dict) or _skip(text, end) < len(text):
        return Problem(path, 1, "is neither a list of objects nor one object", _ROWS)
    return _rows_in(value, path, wanted)


def _rows_in(value: JsonObject, path: str, wanted: frozenset[str]) -> tuple[list[JsonObject], str] | Problem:
    if len(wanted & value.keys()) > 1 or any(_are_messages(v) for v in value.values()):
        columns = _columns(value)
        return (columns, "columns") if columns else ([value], "one object")
    if "columns" in value and isinstance(value.get("data"), list) and all(isinstance(r, list) for r in value["data"]):
        return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]], "'columns' and 'data'"
    lists = [name for name, rows in value.items() if _are_rows(rows)]
    if len(lists) == 1:
        return value[lists[0]], f"the list '{lists[0]}'"
    if lists:
        named = ", ".join(f"'{name}' ({len(value[name]):,} rows)" for name in lists)
        return Problem(path, None, f"holds several lists of rows: {named}", "save the one that you mean as a file")
    if value and all(isinstance(row, dict) and wanted & row.keys() for row in value.values()):
        return list(value.values()), "rows by their index"
    columns = _columns(value)
    return (columns, "columns") if columns else ([value], "one object")


def _are_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _are_messages(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(v, dict) and {"role", "from"} & v.keys() for v in value)


def _columns(value: JsonObject) -> list[JsonObject]:
    """Rows of {"column": {"0": …}} or {"column": […]}, as pandas and datasets write them."""
    columns = {name: list(c.values()) if isinstance(c, dict) else c for name, c in value.items()}
    if len(columns) < 2 or not all(isinstance(c, list) and c for c in columns.values()):
        return []
    if len({type(c) for c in value.values()}) > 1 or len({len(c) for c in columns.values()}) > 1:
        return []
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _fault(path: str, text: str, error: ValueError, line: int) -> Problem:
    if not isinstance(error, JSONDecodeError):
        return Problem(path, line, f"not JSON: {error}", _ROWS)
    before = text[: error.pos]
    line_of_fault = 1 + len(_LINE_END.findall(before))
    column = error.pos - max(before.rfind("\n"), before.rfind("\r"))
    return Problem(path, line_of_fault, f"not JSON at column {column}: {error.msg}", _ROWS)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
