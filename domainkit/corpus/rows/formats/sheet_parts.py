"""What the parts of an .xlsx say that no library tells: how far a sheet reaches, and cells without a usable value."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from domainkit.corpus.archive import ole_kind

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

MOST_CELLS = 50_000_000
"""Rows times columns that are read: the libraries make all cells up to the farthest one."""
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TRUE = ("1", "true")
_ADDRESS = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


@dataclass(frozen=True)
class SheetFacts:
    """Of one sheet."""

    farthest: str = ""
    """The address of the cell in the last row and column together, as XFD1048576."""
    cells: int = 0
    """Rows times columns up to it."""
    without_value: tuple[str, ...] = ()
    """Addresses of formulas whose result was never stored."""
    errors: tuple[str, ...] = ()
    """Addresses of cells that hold an error such as #N/A."""
    hidden_rows: frozenset[int] = frozenset()
    """Numbers from 1; a filter hides rows, too."""
    hidden_columns: frozenset[int] = frozenset()
    """Numbers from 1, up to the last column with a cell."""


def sheet_facts(path: Path) -> dict[str, SheetFacts]:
    """The facts of each sheet by its name; empty for a file that is not of the .xlsx family. The archive was checked
    before."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            return {}
        return {name: _facts(archive, part) for name, part in _parts(archive)}


def load_by_content(path: Path) -> CalamineWorkbook:
    """The workbook, of whichever format it is. Raises what calamine raises."""
    from python_calamine import load_workbook

    if (ole_kind(path) == "workbook") == (path.suffix.lower() == ".xls"):
        return load_workbook(path)
    return load_workbook(io.BytesIO(path.read_bytes()))  # calamine believes a file's name, but not a stream's


def column_number(letters: str) -> int:
    """1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def column_letters(number: int) -> str:
    """A for 1, AA for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _parts(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    relations = {r.get("Id"): r.get("Target") for r in _tree(archive, "xl/_rels/workbook.xml.rels")}
    for sheet in _tree(archive, "xl/workbook.xml").iter("{*}sheet"):
        target = relations.get(sheet.get(_RELATION)) or ""
        part = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        if part in archive.namelist():
            yield sheet.get("name") or "", part


def _tree(archive: zipfile.ZipFile, part: str) -> etree._Element:
    return etree.fromstring(archive.read(part), _parser())


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _facts(archive: zipfile.ZipFile, part: str) -> SheetFacts:
    last_row = last_column = 0
    without_value: list[str] = []
    errors: list[str] = []
    hidden: list[tuple[int, int]] = []
    hidden_rows: set[int] = set()
    tags = ("{*}c", "{*}row", "{*}col")
    with archive.open(part) as stream:
        for _, cell in etree.iterparse(
            stream, tag=tags, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            kind = etree.QName(cell).localname
            address = _ADDRESS.fullmatch(cell.get("r") or "") if kind == "c" else None
            if kind == "col" and cell.get("hidden") in _TRUE:
                hidden.append((_whole(cell.get("min")), _whole(cell.get("max"))))
            elif kind == "row" and cell.get("hidden") in _TRUE:
                hidden_rows.add(_whole(cell.get("r")))
            if address:
                last_column = max(last_column, column_number(address[1]))
                last_row = max(last_row, int(address[2]))
                value = cell.findtext("{*}v")
                if cell.find("{*}f") is not None and not value and cell.get("t") not in ("str", "inlineStr"):
                    without_value.append(address[0])
                elif cell.get("t") == "e":
                    errors.append(address[0])
            cell.clear()
            while cell.getprevious() is not None:
                del cell.getparent()[0]
    farthest = f"{column_letters(last_column)}{last_row}" if last_row else ""
    columns = {c for first, last in hidden for c in range(first, min(last, last_column) + 1)}
    return SheetFacts(
        farthest,
        last_row * last_column,
        tuple(without_value),
        tuple(errors),
        frozenset(r for r in hidden_rows if 0 < r <= last_row),
        frozenset(columns),
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 0
