"""Workbooks: dates, numbers, sheets, merged cells and formulas are read as they show, or named with their cell."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from domainkit.corpus.check import inspect
from domainkit.corpus.read_files import read_examples
from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.formats.workbook import cell_text
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.errors import DataError

WANTED = wanted_names(None)


def book(path: Path, **sheets: list[list[Any]]) -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return made


def test_cells_are_read_as_they_show(tmp_path: Path) -> None:
    values = [
        1,
        2.5,
        0.1 + 0.2,
        True,
        date(2026, 9, 3),
        datetime(2026, 9, 3, 12, 30),
        time(7, 30),
        "00123",
        " a\nb ",
        None,
    ]
    shown = ["1", "2.5", "0.3", "true", "2026-09-03", "2026-09-03T12:30:00", "07:30:00", "00123", " a\nb ", ""]
    book(tmp_path / "a.xlsx", Data=[["input", *"bcdefghij"], values])
    [(number, row)], problems = open_rows(tmp_path / "a.xlsx", WANTED).all()
    assert (number, list(row.values()), problems) == (2, shown, [])
    assert cell_text(timedelta(hours=30, seconds=5)) == "30:00:05"


def test_title_rows_merged_headers_and_a_table_that_begins_further_in(tmp_path: Path) -> None:
    made = book(
        tmp_path / "a.xlsx", FAQ=[[], ["", "Desk 2026"], [], ["", "Customer", "", "Desk"], ["", "Question", "Answer"]]
    )
    sheet = made["FAQ"]
    sheet.merge_cells("B4:C4")
    sheet.append(["", "Where?", "Here"])
    sheet.append(["", "When?", "Now"])
    sheet["C8"], sheet["B8"] = None, "Why?"
    sheet.merge_cells("C7:C8")
    made.save(tmp_path / "a.xlsx")
    examples = read_examples(tmp_path / "a.xlsx")
    assert [(e.question, e.target) for e in examples] == [("Where?", "Here"), ("When?", "Now"), ("Why?", "Now")]
    assert examples[0].source == f"{tmp_path / 'a.xlsx'}, row 6"
    problems = [str(p) for p in inspect(tmp_path / "a.xlsx").problems]
    assert any("a.xlsx, row 2: the header is in row 5; not read above it: Desk 2026" in t for t in problems)
    assert any("a.xlsx, row 8: merged cells: the value of the first one counts" in t for t in problems)


def test_hidden_and_other_sheets_are_left_out_by_name_and_two_of_rows_are_refused(tmp_path: Path) -> None:
    rows = [["question", "answer"], ["a", "b"]]
    made = book(tmp_path / "a.xlsx", Old=rows, FAQ=rows, Notes=[["see", "there", "also"], ["x", "y", "z"]])
    made["Old"].sheet_state = "hidden"
    made.save(tmp_path / "a.xlsx")
    source = open_rows(tmp_path / "a.xlsx", WANTED)
    assert (source.facts, len(source.all()[0])) == (("sheet 'FAQ'",), 1)
    assert [p.what for p in source.problems] == [
        "the sheet 'Old' is hidden, and is left out",
        "the sheet 'Notes' has none of the columns of sheet 'FAQ', and is left out",
    ]
    made["Old"].sheet_state = "visible"
    made.save(tmp_path / "a.xlsx")
    with pytest.raises(
        DataError, match=r"holds several sheets of rows: 'Old', 'FAQ'\n  next: save the one that you mean"
    ) as caught:
        read_examples(tmp_path / "a.xlsx")
    assert str(caught.value).endswith("they have the same columns: to read all, copy their rows into one sheet")


def test_formulas_errors_and_lost_digits_are_told_with_their_cell(tmp_path: Path) -> None:
    rows = [["question", "answer", "n"], ["a", "=A2", 12345678901234567890], ["b", "#N/A", 1], ["c", "d", 2]]
    book(tmp_path / "a.xlsx", FAQ=rows)
    with pytest.raises(DataError) as caught:
        read_examples(tmp_path / "a.xlsx")
    assert [str(p).split("\n")[0].split(".xlsx")[1] for p in caught.value.problems] == [
        ", row 2: 'answer' is empty",
        ", row 3: 'answer' is empty",
    ]
    problems = {p.what: p.line for p in open_rows(tmp_path / "a.xlsx", WANTED).all()[1]}
    assert problems["cell B2: a formula without a stored value, read as empty"] == 2
    assert problems["cell B3: a cell with an error such as #N/A, read as empty"] == 3
    assert problems["numbers of more than 15 digits: Excel keeps no more, and the others are lost"] == 2


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods"])
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing of the kind")
    [problem] = open_rows(tmp_path / name, WANTED).all()[1]
    assert "is damaged" in problem.what or "is not a workbook that can be read" in problem.what
    assert problem.next_step


def test_a_value_in_the_last_cell_does_no_harm(tmp_path: Path) -> None:
    made = book(tmp_path / "a.xlsx", FAQ=[["question", "answer"], ["a", "b"]], Far=[["x"]])
    made["Far"]["XFD1048576"] = "stray"
    made.save(tmp_path / "a.xlsx")
    source = open_rows(tmp_path / "a.xlsx", WANTED)
    assert len(source.all()[0]) == 1
    assert (
        "the sheet 'Far' reaches to cell XFD1048576, 17,179,869,184 cells, and is left out" in source.problems[0].what
    )


def test_a_workbook_named_csv_is_read_and_told(tmp_path: Path) -> None:
    book(tmp_path / "a.xlsx", FAQ=[["question", "answer"], ["a", "b"]])
    (tmp_path / "a.xlsx").rename(tmp_path / "a.csv")
    source = open_rows(tmp_path / "a.csv", WANTED)
    assert (len(source.all()[0]), source.problems[-1].what) == (
        1,
        "is named .csv, and holds what a .xlsx file holds: read as that",
    )


def test_hidden_rows_and_columns_are_read_and_named(tmp_path: Path) -> None:
    made = book(tmp_path / "a.xlsx", FAQ=[["question", "answer", "note"], ["a", "b", "x"], ["c", "d", "y"]])
    made["FAQ"].row_dimensions[3].hidden = True
    made["FAQ"].column_dimensions["C"].hidden = True
    made.save(tmp_path / "a.xlsx")
    rows, problems = open_rows(tmp_path / "a.xlsx", WANTED).all()
    assert [row["question"] for _, row in rows] == ["a", "c"]
    assert [(p.line, p.what, p.severity) for p in problems] == [
        (3, "1 hidden row is read, the first here", "warning"),
        (None, "hidden columns are read: 'note'", "warning"),
    ]
