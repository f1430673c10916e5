"""Whole text files from disk: bytes that are not UTF-8 text are a Problem with its line."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from domainkit import storage
from domainkit.errors import DataError, Problem
from domainkit.registry import nearest

_SAVE_AS_UTF8 = "save the file as UTF-8"
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16: its mark begins with UTF-16's
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def read_text(path: Path) -> str:
    """A whole UTF-8 text file with `\\n` line ends. Raises DataError with the line of the first byte that is not
    text."""
    data, problem = read_bytes(path)
    if problem:
        raise DataError([problem])
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise DataError([nul_problem(str(path), line)])
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        position = e.start - data.rfind(b"\n", 0, e.start)
        raise DataError([encoding_problem(str(path), line, position, data[e.start])]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path) -> tuple[bytes, Problem | None]:
    """The file's bytes without a UTF-8 byte order mark; or b"" and the reason why it cannot be read."""
    try:
        if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
            return b"", Problem(str(path), None, "is a folder, not a file", "name one file in it")
        data = storage.read_bytes(path)
    except (FileNotFoundError, NotADirectoryError):
        return b"", missing_path(path)
    except ValueError as e:  # a NUL character in the path
        return b"", Problem(str(path), None, f"is not a path: {e}", "check the path")
    except OSError as e:
        reason = (e.strerror or str(e)).lower()
        return b"", Problem(str(path), None, f"cannot be read: {reason}", _next_step(e))
    for mark, name in _OTHER_ENCODINGS.items():
        if data.startswith(mark):
            return b"", Problem(str(path), None, f"is {name} text, not UTF-8", _SAVE_AS_UTF8)
    return data.removeprefix(codecs.BOM_UTF8), None


def _next_step(error: OSError) -> str:
    return "check the file's permissions" if isinstance(error, PermissionError) else "name a plain file"


def missing_path(path: Path) -> Problem:
    """The Problem of a path that does not exist. It names a similar path that does, but never lists the whole
    folder."""
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] if path.parent.is_dir() else []
    similar = nearest(path.name, names)
    return Problem(
        str(path), None, "no such file or folder", f"did you mean '{similar}'?" if similar else "check the path"
    )


def nul_problem(path: str, line: int) -> Problem:
    """The Problem of a NUL byte on `line`."""
    return Problem(path, line, "holds a NUL byte: binary data, or text that is not UTF-8", _SAVE_AS_UTF8)


def encoding_problem(path: str, line: int, position: int, byte: int) -> Problem:
    """The Problem of the byte at `position` (from 1) of `line`."""
    return Problem(path, line, f"not UTF-8: byte 0x{byte:02x} at position {position} of the line", _SAVE_AS_UTF8)
