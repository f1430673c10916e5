"""JSON Lines and text files from disk, every fault with its line; nothing is repaired or skipped in silence."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from domainkit.errors import Problem
from domainkit.registry import near

Row = tuple[int, dict[str, Any]]

_SAVE_AS_UTF8 = "save the file as UTF-8"
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def scan_rows(path: Path) -> tuple[list[Row], list[Problem]]:
    """The well-formed rows of a JSON Lines file as (line from 1, object), and a Problem for each other line."""
    data, fault = _bytes(path)
    if fault:
        return [], [fault]
    rows: list[Row] = []
    problems: list[Problem] = []
    # Split at b"\n" only: str.splitlines would cut inside strings that hold U+2028 or a form feed.
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        row = _parse(str(path), number, raw)
        if isinstance(row, Problem):
            problems.append(row)
        else:
            rows.append((number, row))
    return rows, problems


def scan_text(path: Path) -> tuple[str, list[Problem]]:
    """A whole UTF-8 text file with `\\n` line ends, and what is wrong with it ("" then)."""
    data, fault = _bytes(path)
    if fault:
        return "", [fault]
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        return "", [_nul(str(path), line)]
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        return "", [_not_utf8(str(path), line, e.start - data.rfind(b"\n", 0, e.start), data[e.start])]
    return text.replace("\r\n", "\n").replace("\r", "\n"), []


def absent(path: Path) -> Problem:
    """The Problem of a path that does not exist, naming the nearest one that does."""
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] if path.parent.is_dir() else []
    # Listing a large folder helps nobody: only a near name does.
    hint = near(path.name, names) if names else ""
    cure = hint if hint.startswith("did you mean") else "check the path"
    return Problem(str(path), None, "no such file or folder", cure)


def _bytes(path: Path) -> tuple[bytes, Problem | None]:
    """The file's bytes without a UTF-8 byte order mark."""
    if not path.exists():
        return b"", absent(path)
    if path.is_dir():
        return b"", Problem(str(path), None, "is a folder, not a file", "name one file in it")
    try:
        data = path.read_bytes()
    except OSError as e:
        reason = (e.strerror or str(e)).lower()
        return b"", Problem(str(path), None, f"cannot be read: {reason}", "check the file's permissions")
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            return b"", Problem(str(path), None, f"is {name} text, not UTF-8", _SAVE_AS_UTF8)
    return data.removeprefix(codecs.BOM_UTF8), None


def _parse(path: str, line: int, raw: bytes) -> dict[str, Any] | Problem:
    """One line as an object, or why it is none. Columns and bytes count from 1."""
    if b"\0" in raw:
        return _nul(path, line)
    try:
        text = raw.decode()
    except UnicodeDecodeError as e:
        return _not_utf8(path, line, e.start + 1, raw[e.start])
    try:
        value = json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as e:
        return Problem(path, line, f"not JSON at column {e.colno}: {e.msg}", _json_cure(text, line))
    except RecursionError:
        return Problem(path, line, "not JSON: nested too deeply", "write one flat object per line")
    except ValueError as e:
        return Problem(path, line, f"not JSON: {e}", "write one valid JSON object per line")
    if not isinstance(value, dict):
        return Problem(path, line, f"is {kind(value)}, not an object", 'write one {"field": value} object per line')
    if not _encodable(value):
        cure = "write characters beyond U+FFFF as a pair of \\u escapes, or as UTF-8"
        return Problem(path, line, "holds half of a \\u surrogate pair, which is no character", cure)
    return value


def place(source: str) -> tuple[str, int | None]:
    """A `path:line` taken apart; a plain path has no line."""
    path, _, line = source.rpartition(":")
    return (path, int(line)) if path and line.isdigit() else (source, None)


def kind(value: object) -> str:
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


def _json_cure(text: str, line: int) -> str:
    start = text.lstrip()[:1]
    if line == 1 and (start == "[" or text.strip() == "{"):
        return "this looks like one JSON value over many lines; write JSON Lines: one object per line"
    return "write one valid JSON object per line"


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        twin = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise ValueError(f"the field '{twin}' appears twice")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _nul(path: str, line: int) -> Problem:
    return Problem(path, line, "holds a NUL byte: binary data, or text that is not UTF-8", _SAVE_AS_UTF8)


def _not_utf8(path: str, line: int, position: int, byte: int) -> Problem:
    return Problem(path, line, f"not UTF-8: byte 0x{byte:02x} at position {position} of the line", _SAVE_AS_UTF8)
