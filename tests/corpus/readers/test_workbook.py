"""Workbooks: a sheet is a page, its columns' names stand above every row."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from openpyxl import Workbook

from domainkit.corpus.readers.workbook import cell_text, read_workbook
from domainkit.corpus.reading import collecting_warnings


def test_sheets_are_pages_and_the_first_row_a_heading(tmp_path: Path) -> None:
    book = Workbook()
    book.active.title = "Prices"
    for row in (["Yearbook"], ["Jar", "Price", "Since"], ["small", 3.5, dt.date(2026, 3, 4)], ["large", 7, None]):
        book.active.append(row)
    book.create_sheet("Secret").append(["HIDDEN"])
    book["Secret"].sheet_state = "hidden"
    book.create_sheet("Sums").append([1, "=A1*2"])
    book.save(tmp_path / "a.xlsx")
    with collecting_warnings() as warnings:
        [document] = read_workbook(tmp_path / "a.xlsx", "a")
    rows = "| small | 3.5 | 2026-03-04 |\n| large | 7 |"
    assert document.text == f"Prices\n\n| Yearbook |\n\nJar | Price | Since\n\n{rows}\n\nSums\n\n| 1 |"
    assert document.mark_at(document.text.index("large")).headings == ("Prices", "Jar | Price | Since")
    assert document.mark_at(document.text.index("Sums")).page == 3
    assert {p.what for p in warnings} == {"1 formula without a value", "the hidden sheet 'Secret' left out"}


def test_a_cell_in_the_last_corner_takes_no_memory(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["a", "b"])
    book.active["XFD1048576"] = "far"
    book.save(tmp_path / "a.xlsx")
    [document] = read_workbook(tmp_path / "a.xlsx", "a")
    assert document.text.split() == ["Sheet", "a", "|", "b", "|", "far", "|"]


@pytest.mark.parametrize(
    "value, text",
    [
        (1.0, "1"),
        (0.1 + 0.2, "0.3"),
        (True, "TRUE"),
        (None, ""),
        ("#N/A", ""),
        ("001", "001"),
        (dt.datetime(2026, 3, 4), "2026-03-04"),
        (dt.datetime(2026, 3, 4, 5, 6), "2026-03-04 05:06"),
        (dt.time(7, 30), "07:30:00"),
    ],
)
def test_cells_as_text(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_hidden_rows_and_columns_are_left_out_and_counted(tmp_path: Path) -> None:
    book = Workbook()
    for row in ([], [None, "Jar", "Cost", "Price"], [None, "small", "1", "3"], [None, "PLANTED", "1", "9"]):
        book.active.append(row)
    book.active.row_dimensions[4].hidden = True
    book.active.column_dimensions["C"].hidden = True
    book.save(tmp_path / "a.xlsx")
    with collecting_warnings() as warnings:
        [document] = read_workbook(tmp_path / "a.xlsx", "a")
    assert document.text == "Sheet\n\nJar | Price\n\n| small | 3 |"
    assert [p.what for p in warnings] == ["1 hidden row and 1 hidden column of the sheet 'Sheet' left out"]
