"""A plain text file with one question a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import TextFile, open_text
from domainkit.errors import Problem

FORMAT = "text, a question a line"


def open_lines(path: Path) -> RowSource:
    """Each line that is not blank as a row with the field "input"."""
    file, problems = open_text(path)
    if file is None:
        return RowSource(str(path), FORMAT, problems=problems)
    return RowSource(str(path), FORMAT, (file.encoding_name,), problems, lambda: _rows(file))


def _rows(file: TextFile) -> Iterator[NumberedRow | Problem]:
    for number, line in file.lines():
        if isinstance(line, Problem):
            yield line
        elif line.strip():
            yield number, {"input": line.strip()}
