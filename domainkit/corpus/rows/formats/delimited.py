"""CSV, TSV and their relatives: every cell stays text, and a record keeps the line on which it begins."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from domainkit.corpus.rows.formats.dialect import NAMES, Dialect, find_dialect, sample
from domainkit.corpus.rows.formats.header import Record, TableRows, above_header, column_names, find_header
from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import TextFile, open_text
from domainkit.errors import Problem

FORMAT = "CSV"
SAMPLE_LINES = 1000
LONGEST_CELL = 10_000_000
"""Characters. A longer cell is a quote that was never closed."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_FAULTS = {
    "unexpected end of data": "a quote is opened here and never closed",
    "field larger than field limit": "a quote is opened here and not closed for ten million characters",
}
_QUOTES = 'double a quotation mark inside a quoted cell (""), or save the table again from the program that made it'


def open_csv(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a delimited text file; the separator, the quotes and the header are found in its first lines."""
    file, problems = open_text(path)
    if file is None:
        return RowSource(str(path), FORMAT, problems=problems)
    lines = [line if isinstance(line, str) else "" for _, line in islice(file.lines(), SAMPLE_LINES)]
    said = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    skipped = 1 if said else 0
    tab = "\t" if path.suffix.lower() in (".tsv", ".tab") and any("\t" in line for line in lines) else None
    dialect = find_dialect(lines[skipped:], wanted, said[1] if said else tab)
    records = sample(lines[skipped:], dialect)
    header = find_header(records, wanted)
    name = "TSV" if dialect.separator == "\t" else FORMAT
    if header is None:
        return RowSource(str(path), name, (file.encoding_name,), problems, cells=True)
    end = records[header][0] + skipped
    columns, warnings = column_names(records[header][1], str(path), end, "")
    problems += [*above_header([(n + skipped, cells) for n, cells in records], header, str(path), ""), *warnings]
    table = TableRows(columns, str(path))
    return RowSource(
        str(path),
        name,
        (file.encoding_name, _described(dialect), *([f"header in line {end}"] if end > 1 else [])),
        problems,
        lambda: _rows(file, dialect, table, end),
        columns,
        cells=True,
    )


def _described(dialect: Dialect) -> str:
    separator = NAMES.get(dialect.separator)
    between = f"{separator} between cells" if separator else "one column"
    if dialect.separator not in NAMES and not dialect.separator.isprintable():
        between = "one column"
    elif separator is None:
        between = f"'{dialect.separator}' between cells"
    quotes = "" if dialect.quotes else ", quotation marks are text"
    return between + (r", quotes written \"" if dialect.backslash else quotes)


def _rows(file: TextFile, dialect: Dialect, table: TableRows, header_end: int) -> Iterator[NumberedRow | Problem]:
    """The rows after line `header_end`; those with too few cells are one warning at the end."""
    short: list[int] = []
    for item in _records(file, dialect, header_end):
        if isinstance(item, Problem):
            yield item
            continue
        number, cells = item
        row = table.row(number, cells)
        if row is not None:
            if len(cells) < len(table.columns):
                short.append(number)
            yield row
    if short:
        rows = f"{len(short):,} row{'s have' if len(short) > 1 else ' has'} fewer cells than the header"
        what = f"{rows}, {'the first here' if len(short) > 1 else 'this one'}: missing cells are read as empty"
        yield Problem(table.path, short[0], what, "look whether a line end or a separator is missing", "warning")


def _records(file: TextFile, dialect: Dialect, header_end: int) -> Iterator[Record | Problem]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    faults: list[Problem] = []
    reader = csv.reader(_text_lines(file, header_end, faults), **dialect.options())
    start = header_end + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            yield from faults
            return
        except csv.Error as e:
            yield _fault(str(file.path), start, str(e))
            cells = []
        if faults:
            yield from faults
            faults.clear()
        elif cells:
            yield start, cells
        start = header_end + reader.line_num + 1


def _text_lines(file: TextFile, header_end: int, faults: list[Problem]) -> Iterator[str]:
    """The lines after the header; one that is not text goes to `faults`, and its record is left out."""
    for number, line in file.lines():
        if number > header_end:
            if isinstance(line, Problem):
                faults.append(line)
                yield "\n"
            else:
                yield line


def _fault(path: str, line: int, message: str) -> Problem:
    said = next((text for start, text in _FAULTS.items() if message.startswith(start)), None)
    return Problem(path, line, said or f"a quote is closed inside a cell ({message})", _QUOTES)
