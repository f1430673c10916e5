"""Text files from disk, in their own encoding. What is not text is a Problem with its line; a guess is a warning."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from domainkit import storage
from domainkit.corpus.reading import report
from domainkit.errors import DataError, Problem
from domainkit.registry import nearest
from domainkit.text.encoding import SAMPLE_BYTES, decode, encoding_name, marked, unmarked_wide

_SAVE_AS_UTF8 = "save the file as UTF-8"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TextFile:
    """A text file whose encoding is known; its text is read as often as it is asked for."""

    path: Path
    encoding: str
    """A codec of Python. UTF-8 may be damaged in places: `lines` says where."""
    skip: int = 0
    """Bytes of the byte order mark."""
    guessed: bool = False

    @property
    def encoding_name(self) -> str:
        """The encoding as messages name it."""
        return encoding_name(self.encoding)

    def lines(self) -> Iterator[tuple[int, str | Problem]]:
        """(number from 1, line with its end) of each line. Lines end with \\n, \\r\\n or \\r.

        A line with bytes that are not text, or with a NUL, is a Problem instead. Raises OSError.
        """
        with storage.open_plain(self.path) as file:
            file.seek(self.skip)
            if self.encoding != "utf-8":
                with io.TextIOWrapper(file, self.encoding, newline="") as decoded:
                    for number, text in enumerate(decoded, start=1):
                        yield number, nul_problem(str(self.path), number) if "\0" in text else text
                return
            for number, raw in enumerate(_byte_lines(file), start=1):
                try:
                    text = raw.decode()
                except UnicodeDecodeError as e:
                    yield number, encoding_problem(str(self.path), number, e.start + 1, raw[e.start])
                else:
                    yield number, nul_problem(str(self.path), number) if "\0" in text else text

    def text(self) -> str:
        """The whole text with its line ends. Raises DataError with every line that is not text, and OSError."""
        lines = [line for _, line in self.lines()]
        if problems := [line for line in lines if isinstance(line, Problem)]:
            raise DataError(problems)
        return "".join(map(str, lines))


def _byte_lines(file: BinaryIO) -> Iterator[bytes]:
    for raw in file:
        if b"\r" in raw and raw.find(b"\r") < len(raw) - 2:
            yield from raw.splitlines(keepends=True)  # of bytes: at \n, \r and \r\n only
        else:
            yield raw


def open_text(path: Path) -> tuple[TextFile | None, list[Problem]]:
    """The file with its encoding, and a warning where that is a guess; or None and the reason why it cannot be read."""
    problem = unreadable(path)
    if problem:
        return None, [problem]
    try:
        file, warnings = _sniff(path)
    except OSError as e:
        return None, [_os_problem(path, e)]
    except UnicodeDecodeError as e:
        what = f"is {encoding_name(e.encoding)} by its byte order mark, but not at byte {e.start + 1:,}"
        return None, [Problem(str(path), None, what, _SAVE_AS_UTF8)]
    return file, warnings


def _sniff(path: Path) -> tuple[TextFile, list[Problem]]:
    """Raises OSError, and UnicodeDecodeError for a file that is not what its byte order mark says."""
    with storage.open_plain(path) as file:
        head = file.read(SAMPLE_BYTES)
        mark = marked(head)
        if mark and mark[1] != "utf-8":
            file.seek(len(mark[0]))
            _check(file, mark[1])
            return TextFile(path, mark[1], len(mark[0])), []
        skip = len(mark[0]) if mark else 0
        wide = None if mark else unmarked_wide(head)
        if not wide:
            file.seek(skip)
            try:
                _check(file, "utf-8")
                if b"\x1b$" not in head:
                    return TextFile(path, "utf-8", skip), []
            except UnicodeDecodeError:
                pass
            if mark:
                return TextFile(path, "utf-8", skip), []  # damaged: `lines` says where
        file.seek(0)
        data = file.read()
    try:
        found = decode(data)
    except UnicodeDecodeError:
        return TextFile(path, "utf-8"), []
    result = TextFile(path, found.encoding, 0, found.guessed)
    return result, [guess_warning(str(path), result.encoding_name)] if found.guessed else []


def _check(file: BinaryIO, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(encoding)()
    while chunk := file.read(_CHUNK):
        decoder.decode(chunk)
    decoder.decode(b"", final=True)


def read_text(path: Path) -> str:
    """A whole text file with `\\n` line ends; a guessed encoding is a warning. Raises DataError with each
    line that is not text."""
    file, problems = open_text(path)
    if file is None:
        raise DataError(problems)
    for problem in problems:
        report(problem)
    try:
        return file.text().replace("\r\n", "\n").replace("\r", "\n")
    except OSError as e:
        raise DataError([_os_problem(path, e)]) from e


def read_bytes(path: Path) -> tuple[bytes, Problem | None]:
    """The file's bytes; or b"" and the reason why it cannot be read."""
    problem = unreadable(path)
    if problem:
        return b"", problem
    try:
        return storage.read_bytes(path), None
    except OSError as e:
        return b"", _os_problem(path, e)


def unreadable(path: Path) -> Problem | None:
    """The reason why `path` is not a plain file that can be read."""
    try:
        if os.path.isdir(path):  # Path.is_dir raises for a name that is too long
            return Problem(str(path), None, "is a folder, not a file", "name one file in it")
        storage.open_plain(path).close()
    except (FileNotFoundError, NotADirectoryError):
        return missing_path(path)
    except ValueError as e:  # a NUL character in the path
        return Problem(str(path), None, f"is not a path: {e}", "check the path")
    except OSError as e:
        return _os_problem(path, e)
    return None


def _os_problem(path: Path, error: OSError) -> Problem:
    next_step = "check the file's permissions" if isinstance(error, PermissionError) else "name a plain file"
    return Problem(str(path), None, f"cannot be read: {(error.strerror or str(error)).lower()}", next_step)


def missing_path(path: Path) -> Problem:
    """The Problem of a path that does not exist. It names a similar path that does, but never lists the whole
    folder."""
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")] if path.parent.is_dir() else []
    similar = nearest(path.name, names)
    return Problem(
        str(path), None, "no such file or folder", f"did you mean '{similar}'?" if similar else "check the path"
    )


def guess_warning(path: str, encoding: str) -> Problem:
    """The warning that the encoding was guessed."""
    what = f"is not UTF-8, and does not say what it is: read as {encoding}, which is a guess"
    return Problem(path, None, what, "look at its accents and signs; if they are wrong, save it as UTF-8", "warning")


def nul_problem(path: str, line: int) -> Problem:
    """The Problem of a NUL byte on `line`."""
    return Problem(path, line, "holds a NUL byte: binary data, or text that is not UTF-8", _SAVE_AS_UTF8)


def encoding_problem(path: str, line: int, position: int, byte: int) -> Problem:
    """The Problem of the byte at `position` (from 1) of `line`."""
    return Problem(path, line, f"not UTF-8: byte 0x{byte:02x} at position {position} of the line", _SAVE_AS_UTF8)
