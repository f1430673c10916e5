"""Workbooks of Excel and LibreOffice: the one visible sheet that holds rows, each cell as the text that it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from domainkit.corpus.archive import PROTECTED, WITHOUT_PASSWORD, check_archive, ole_kind
from domainkit.corpus.rows.formats.header import (
    LOOKED_AT,
    Record,
    TableRows,
    above_header,
    column_names,
    find_header,
    known,
    width,
)
from domainkit.corpus.rows.formats.sheet_parts import (
    MOST_CELLS,
    SheetFacts,
    column_number,
    load_by_content,
    sheet_facts,
)
from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.corpus.text_files import unreadable
from domainkit.errors import DataError, Problem

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

UNIT = "row"
EXACT_DIGITS = 15
"""Digits of a number that Excel keeps."""


class Sheet(NamedTuple):
    """A sheet that may hold the rows."""

    name: str
    first: list[Record]
    """Its first records that are not empty."""
    header: int
    """The index of the header in `first`."""
    known: int
    """Columns whose names are looked for."""


def open_workbook(path: Path, wanted: frozenset[str] = frozenset()) -> RowSource:
    """The rows of a workbook's one sheet of rows. Hidden sheets, and sheets without names that are looked for, are left
    out with a warning; several that could be meant are an error."""
    form = {".ods": "OpenDocument"}.get(path.suffix.lower(), "Excel")
    problem = unreadable(path)
    if problem:
        return RowSource(str(path), form, problems=[problem])
    try:
        workbook, facts = _open(path)
    except DataError as e:
        return RowSource(str(path), form, problems=list(e.problems))
    sheets, problems = _sheets(path, workbook, facts, wanted)
    chosen = _choose(path, sheets, problems)
    if chosen is None:
        return RowSource(str(path), form, problems=problems, unit=UNIT)
    line, names = chosen.first[chosen.header]
    columns, warnings = column_names(names, str(path), line, UNIT)
    problems += [*above_header(chosen.first, chosen.header, str(path), UNIT), *warnings]
    table = TableRows(columns, str(path), UNIT)
    reader = SheetReader(path, workbook.get_sheet_by_name(chosen.name), facts.get(chosen.name, SheetFacts()), table)
    facts_told = (f"sheet '{chosen.name}'", *([f"header in row {line}"] if line > 1 else []))
    return RowSource(str(path), form, facts_told, problems, lambda: reader.rows(line), columns, unit=UNIT, cells=True)


def _open(path: Path) -> tuple[CalamineWorkbook, dict[str, SheetFacts]]:
    """Raises DataError."""
    from lxml.etree import XMLSyntaxError
    from python_calamine import CalamineError, PasswordError

    if ole_kind(path) != "workbook":
        check_archive(path)
    save_again = "open it in the program that made it and save it again"
    try:
        return load_by_content(path), sheet_facts(path)
    except PasswordError:
        what, next_step = PROTECTED, WITHOUT_PASSWORD
    except (CalamineError, XMLSyntaxError, OSError, KeyError, ValueError) as e:
        what, next_step = f"is not a workbook that can be read: {e}", save_again
    raise DataError([Problem(str(path), None, what, next_step)])


def _sheets(
    path: Path, workbook: CalamineWorkbook, facts: dict[str, SheetFacts], wanted: frozenset[str]
) -> tuple[list[Sheet], list[Problem]]:
    """The visible sheets that hold something, and a warning for each that is left out."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets: list[Sheet] = []
    problems: list[Problem] = []
    for meta in workbook.sheets_metadata:
        far = facts.get(meta.name, SheetFacts())
        if meta.typ != SheetTypeEnum.WorkSheet:
            continue
        if meta.visible != SheetVisibleEnum.Visible:
            problems.append(_left_out(path, meta.name, "is hidden", "unhide it, or copy its rows into a visible sheet"))
        elif far.cells > MOST_CELLS:
            what = f"reaches to cell {far.farthest}, {far.cells:,} cells"
            problems.append(_left_out(path, meta.name, what, "delete what stands far out, and save the file"))
        else:
            records = _first_records(workbook.get_sheet_by_name(meta.name))
            header = find_header(records, wanted)
            if header is not None:
                sheets.append(Sheet(meta.name, records, header, known(records[header][1], wanted)))
    return sheets, problems


def _first_records(sheet: CalamineSheet) -> list[Record]:
    rows = ((i, [cell_text(v) for v in row]) for i, row in enumerate(_cells(sheet), start=1))
    return list(islice(((i, cells) for i, cells in rows if width(cells)), LOOKED_AT))


def _cells(sheet: CalamineSheet) -> Iterator[Sequence[object]]:
    """The rows from row 1; each begins at the sheet's first column that holds something."""
    return iter(sheet.iter_rows()) if sheet.height else iter(())


def _choose(path: Path, sheets: list[Sheet], problems: list[Problem]) -> Sheet | None:
    """The one sheet that holds rows; what is left out goes to `problems`, and so does the error of none or several."""
    likely = [s for s in sheets if s.known >= min(2, width(s.first[s.header][1]))] or sheets
    if len(likely) == 1:
        for sheet in sheets:
            if sheet is not likely[0]:
                what = f"has none of the columns of sheet '{likely[0].name}'"
                problems.append(_left_out(path, sheet.name, what, "save it as a file of its own if it holds rows, too"))
        return likely[0]
    if likely:
        names = ", ".join(f"'{s.name}'" for s in likely)
        what, next_step = f"holds several sheets of rows: {names}", "save the one that you mean as a file of its own"
        if len({tuple(s.first[s.header][1]) for s in likely}) == 1:
            next_step += "; they have the same columns: to read all, copy their rows into one sheet"
    else:
        what, next_step = "holds no rows on a visible sheet", "write a header and rows"
    problems.append(Problem(str(path), None, what, next_step))
    return None


def _left_out(path: Path, name: str, what: str, next_step: str) -> Problem:
    return Problem(str(path), None, f"the sheet '{name}' {what}, and is left out", next_step, "warning")


class SheetReader:
    """Reads the rows of one sheet."""

    def __init__(self, path: Path, sheet: CalamineSheet, facts: SheetFacts, table: TableRows) -> None:
        self.path = path
        self.sheet = sheet
        self.facts = facts
        self.table = table
        self.left = sheet.start[1] if sheet.start else 0
        """Columns before the first that holds something."""

    def rows(self, header: int) -> Iterator[NumberedRow | Problem]:
        """The rows below row `header`, then warnings of the cells that have no value of their own."""
        merged = self._merged()
        above: dict[int, str] = {}
        filled = rounded = 0
        for number, values in enumerate(_cells(self.sheet), start=1):
            if number <= header:
                continue
            cells = [cell_text(value) for value in values]
            rounded = rounded or (number if any(map(_lost_digits, values)) else 0)
            for column in merged.get(number, ()):
                cells[column] = above.get(column, "")
                filled = filled or number
            above = dict(enumerate(cells))
            row = self.table.row(number, cells)
            if row is not None:
                yield row
        yield from self._warnings(header, filled, rounded)

    def _merged(self) -> dict[int, list[int]]:
        """For each row the columns that a merged cell above covers."""
        covered: dict[int, list[int]] = {}
        for (top, left), (bottom, _) in self.sheet.merged_cell_ranges or ():
            for row in range(top + 1, bottom + 1):
                covered.setdefault(row + 1, []).append(left - self.left)
        return covered

    def _warnings(self, header: int, filled: int, rounded: int) -> Iterator[Problem]:
        where, unit = str(self.path), UNIT
        formulas = self._in_rows(self.facts.without_value, header)
        if formulas:
            what = f"{_count(formulas, 'formula')} without a stored value, read as empty"
            yield Problem(where, _row(formulas[0]), what, "open the file in Excel and save it", "warning", unit)
        errors = self._in_rows(self.facts.errors, header)
        if errors:
            what = f"{_count(errors, 'cell')} with an error such as #N/A, read as empty"
            yield Problem(where, _row(errors[0]), what, "correct the formula, or write the value", "warning", unit)
        if filled:
            what = "merged cells: the value of the first one counts for all rows that it covers"
            yield Problem(where, filled, what, "unmerge them if that is wrong", "warning", unit)
        yield from self._hidden(header)
        if rounded:
            what = f"numbers of more than {EXACT_DIGITS} digits: Excel keeps no more, and the others are lost"
            yield Problem(where, rounded, what, "write such numbers as text in the original", "warning", unit)

    def _hidden(self, header: int) -> Iterator[Problem]:
        """Hidden rows and columns are read: a filter that somebody left on must not take rows away."""
        where, unit = str(self.path), UNIT
        rows = sorted(r for r in self.facts.hidden_rows if r > header)
        if rows:
            what = f"{len(rows):,} hidden row{'s are' if len(rows) > 1 else ' is'} read, the first here"
            yield Problem(
                where, rows[0], what, "delete them, or copy the visible rows, if they do not belong", "warning", unit
            )
        names = [self.table.columns[c - 1 - self.left] for c in sorted(self.facts.hidden_columns) if self._has(c)]
        if names:
            shown = ", ".join(f"'{name}'" for name in names[:5]) + (
                f" and {len(names) - 5} more" if len(names) > 5 else ""
            )
            what = f"hidden columns are read: {shown}"
            yield Problem(where, None, what, "delete them if they do not belong", "warning", unit)

    def _has(self, column: int) -> bool:
        return 0 <= column - 1 - self.left < len(self.table.columns)

    def _in_rows(self, addresses: Sequence[str], header: int) -> list[str]:
        last = self.left + len(self.table.columns)
        return [a for a in addresses if _row(a) > header and _column(a) <= last]


def _count(addresses: Sequence[str], noun: str) -> str:
    if len(addresses) == 1:
        return f"cell {addresses[0]}: a {noun}"
    return f"{len(addresses):,} {noun}s, the first in cell {addresses[0]},"


def _row(address: str) -> int:
    return int(re.sub(r"\D", "", address))


def _column(address: str) -> int:
    return column_number(re.sub(r"\d", "", address))


def _lost_digits(value: object) -> bool:
    return isinstance(value, float) and abs(value) >= 10**EXACT_DIGITS


def cell_text(value: object) -> str:
    """A cell's value as text: dates in ISO 8601, whole numbers without a point, at most 15 digits as Excel shows."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.{EXACT_DIGITS}g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(value)
