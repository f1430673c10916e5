"""Workbooks as documents: each sheet is a page, each row a row of text."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from domainkit.corpus.archive import check_archive, refused
from domainkit.corpus.document import Document
from domainkit.corpus.readers.marked_text import MarkedText
from domainkit.corpus.reading import warn

MAX_CELLS = 50_000_000
"""Of the rectangle around all cells of a sheet: calamine asks for memory for each of them."""
_CELL = re.compile(rb'<c\b[^>]*?\br="([A-Z]{1,3})(\d{1,7})"')
_EMPTY_FORMULA = re.compile(rb"<f\b[^>]*?(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>|</c>)")
_BLOCK, _OVERLAP = 2**20, 400
_ERRORS = re.compile(r"#(?:N/A|NAME\?|DIV/0!|REF!|VALUE!|NUM!|NULL!|SPILL!|CALC!)")
Rows = Iterable[list[Any]]


def read_workbook(path: Path, name: str) -> Iterator[Document]:
    """One document: the name of a sheet and its first row are the headings of its rows. Hidden sheets are left out.

    Raises DataError for what `check_archive` refuses, and for a file that is not a workbook.
    """
    far = False
    if path.suffix.lower() != ".xls":
        check_archive(path)
        far, unfilled = _look_through(path)
        if unfilled:
            what = f"{unfilled} formula{'s' if unfilled > 1 else ''} without a value"
            warn(path, what, "open it in a spreadsheet program and save it: that computes the values")
    text, sheets = MarkedText(), 0
    for number, (sheet, visible, rows) in enumerate(_far_sheets(path) if far else _sheets(path), start=1):
        sheets = number
        if visible:
            text.page = number
            _add_sheet(sheet, rows, text)
        else:
            warn(path, f"the hidden sheet '{sheet}' left out", "show it if it belongs to the text")
    document = text.document(path, name, title_heading=False, meta={"pages": sheets})
    if document is not None:
        yield document


def _look_through(path: Path) -> tuple[bool, int]:
    """(whether a sheet has a cell so far out that calamine would abort, formulas without a value)."""
    far, unfilled = False, 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", entry):
                continue
            columns = rows = 0
            end_of_block = b""
            with archive.open(entry) as stream:
                while block := stream.read(_BLOCK):
                    block = end_of_block + block
                    for letters, digits in _CELL.findall(block):
                        columns, rows = max(columns, _column(letters)), max(rows, int(digits))
                    unfilled += sum(1 for m in _EMPTY_FORMULA.finditer(block) if m.end() > len(end_of_block))
                    end_of_block = block[-_OVERLAP:]
            far = far or columns * rows > MAX_CELLS
    return far, unfilled


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _sheets(path: Path) -> Iterator[tuple[str, bool, Rows]]:
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
    except calamine.PasswordError:
        raise refused(path, "is password-protected", "save a copy without the password") from None
    except (calamine.CalamineError, OSError, ValueError) as e:
        raise refused(path, f"is not a workbook: {e}", "save it again from a spreadsheet program") from None
    for sheet in book.sheets_metadata:
        if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
            yield sheet.name, True, ()
            continue
        visible = sheet.visible == calamine.SheetVisibleEnum.Visible
        yield sheet.name, visible, book.get_sheet_by_name(sheet.name).iter_rows() if visible else ()


def _far_sheets(path: Path) -> Iterator[tuple[str, bool, Rows]]:
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
        yield sheet.title, visible, _without_empty(sheet.iter_rows(values_only=True)) if visible else ()


def _without_empty(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
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
