"""Workbooks as documents: each sheet is a page, each row a row of text."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from domainkit.corpus.archive import check_archive, ole_kind, refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.reading import warn
from domainkit.corpus.rows.formats.sheet_parts import MOST_CELLS, SheetFacts, load_by_content, sheet_facts

_ERRORS = re.compile(r"#(?:N/A|NAME\?|DIV/0!|REF!|VALUE!|NUM!|NULL!|SPILL!|CALC!)")
Rows = Iterable[list[object]]


def read_workbook(path: Path, name: str) -> Iterator[Document]:
    """One document: the name of a sheet and its first row are the headings of its rows. Hidden sheets, rows and columns
    are left out, as hidden text of other documents is.

    Raises DataError for what `check_archive` refuses, and for a file that is not a workbook.
    """
    facts: dict[str, SheetFacts] = {}
    if ole_kind(path) != "workbook":
        check_archive(path)
        facts = _facts(path)
        if unfilled := sum(len(f.without_value) for f in facts.values()):
            what = f"{unfilled} formula{'s' if unfilled > 1 else ''} without a value"
            warn(path, what, "open it in a spreadsheet program and save it: that computes the values")
    far = any(f.cells > MOST_CELLS for f in facts.values())
    text, sheets = MarkedText(), 0
    found = _far_sheets(path, facts) if far else _sheets(path, facts)
    for number, (sheet, visible, rows) in enumerate(found, start=1):
        sheets = number
        if visible:
            text.page = number
            _add_sheet(sheet, rows, text)
            if hidden := _count_hidden(facts.get(sheet, SheetFacts())):
                warn(path, f"{hidden} of the sheet '{sheet}' left out", "show them if they belong to the text")
        else:
            warn(path, f"the hidden sheet '{sheet}' left out", "show it if it belongs to the text")
    document = text.document(path, name, title_heading=False, meta={"pages": sheets})
    if document is not None:
        yield document


def _facts(path: Path) -> dict[str, SheetFacts]:
    from lxml.etree import XMLSyntaxError

    try:
        return sheet_facts(path)
    except (XMLSyntaxError, KeyError, ValueError) as e:
        raise refused(path, f"is not a workbook: {e}", "save it again from a spreadsheet program") from None


def _shown(rows: Iterable[Sequence[object]], facts: SheetFacts | None, left: int = 0) -> Rows:
    """The rows, which begin with row 1 and behind `left` columns, without what is hidden."""
    if facts is None or not (facts.hidden_rows or facts.hidden_columns):
        return map(list, rows)
    return (
        [value for column, value in enumerate(row, start=left + 1) if column not in facts.hidden_columns]
        for number, row in enumerate(rows, start=1)
        if number not in facts.hidden_rows
    )


def _count_hidden(facts: SheetFacts) -> str:
    counts = ((len(facts.hidden_rows), "row"), (len(facts.hidden_columns), "column"))
    return " and ".join(f"{count:,} hidden {noun}{'s' if count > 1 else ''}" for count, noun in counts if count)


def _sheets(path: Path, facts: dict[str, SheetFacts]) -> Iterator[tuple[str, bool, Rows]]:
    import python_calamine as calamine

    try:
        book = load_by_content(path)
    except calamine.PasswordError:
        raise refused(path, "is password-protected", "save a copy without the password") from None
    except (calamine.CalamineError, OSError, ValueError) as e:
        raise refused(path, f"is not a workbook: {e}", "save it again from a spreadsheet program") from None
    for sheet in book.sheets_metadata:
        if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
            yield sheet.name, True, ()
            continue
        if sheet.visible == calamine.SheetVisibleEnum.Visible:
            cells = book.get_sheet_by_name(sheet.name)
            left = cells.start[1] if cells.start else 0
            yield sheet.name, True, _shown(cells.iter_rows(), facts.get(sheet.name), left)
        else:
            yield sheet.name, False, ()


def _far_sheets(path: Path, facts: dict[str, SheetFacts]) -> Iterator[tuple[str, bool, Rows]]:
    """The sheets by openpyxl, which reads row by row."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as e:  # openpyxl raises KeyError, ValueError, … for parts that are missing
        if isinstance(e, MemoryError | RecursionError):
            raise
        raise refused(path, f"is not a workbook: {type(e).__name__}: {e}", "save it again from its program") from None
    for sheet in book.worksheets:
        visible = sheet.sheet_state == "visible"
        sheet.reset_dimensions()  # else every row is filled up to the last column
        rows = _shown(sheet.iter_rows(values_only=True), facts.get(sheet.title)) if visible else ()
        yield sheet.title, visible, _without_empty(rows)


def _without_empty(rows: Rows) -> Iterator[list[object]]:
    for row in rows:
        filled = [i for i, value in enumerate(row) if value is not None]
        if filled:
            yield list(row[: min(filled[-1] + 1, 1000)]) if filled[-1] < 1000 else [row[i] for i in filled]


def _add_sheet(name: str, rows: Rows, text: MarkedText) -> None:
    text.heading(name, 1)
    first = True
    for row in rows:
        cells = [cell_text(value) for value in row]
        filled = [c for c in cells if c.strip()]
        if not filled:
            continue
        if first and len(filled) > 1 and all(isinstance(v, str) or v is None for v in row):
            # The columns' names stand above every row, so that a passage from the middle keeps them.
            text.heading(" | ".join(filled), 2)
        else:
            text.row(cells)
        first = first and len(filled) == 1  # a line above the table


def cell_text(value: object) -> str:
    """A cell as text: whole numbers without a point, dates in ISO 8601, errors of a formula as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    text = str(value)
    return "" if _ERRORS.fullmatch(text) else text
