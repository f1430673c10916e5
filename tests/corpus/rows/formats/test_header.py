"""The header of a table, and what its columns are called."""

from __future__ import annotations

import pytest

from domainkit.corpus.rows.formats.header import (
    TableRows,
    above_header,
    column_names,
    find_header,
    folded,
    known,
    width,
)
from domainkit.errors import Problem

WANTED = frozenset(("input", "target", "doc_ids"))


def records(*rows: str) -> list[tuple[int, list[str]]]:
    return [(number, row.split("|")) for number, row in enumerate(rows, start=1)]


@pytest.mark.parametrize(
    "rows, header",
    [
        (("Report 2026", "input|target", "a|b"), 1),
        (("Name|Input|Target", "x|a|b"), 0),
        (("2026|3", "frage|antwort", "a|b"), 1),
        (("input", "a", "b"), 0),
        (("1|2", "3|4"), 0),
        (("", " | "), None),
    ],
)
def test_the_header_is_found(rows: tuple[str, ...], header: int | None) -> None:
    assert find_header(records(*rows), WANTED) == header


def test_names_are_compared_without_capitals_and_spaces() -> None:
    assert folded(" Doc-IDs ") == "doc_ids"
    assert known(["Doc IDs", "INPUT", "input", "x", ""], WANTED) == 3
    assert width(["a", "", " ", ""]) == 1


def test_each_column_has_a_name_of_its_own() -> None:
    names, [problem] = column_names(["a", "", "a", " b\nc "], "t.csv", 3, "")
    assert names == ("a", "column 2", "a (2)", "b c")
    assert str(problem.where) == "t.csv:3"


def test_what_stands_above_is_told() -> None:
    [problem] = above_header(records("Report| of 2026", "", "input|target"), 2, "t.csv", "row")
    assert problem.what == "the header is in row 3; not read above it: Report of 2026"
    assert above_header(records("input|target"), 0, "t.csv", "") == []


def test_cells_become_rows_by_the_names_of_their_columns() -> None:
    table = TableRows(("a", "b"), "t.csv", "row")
    assert table.row(2, ["1"]) == (2, {"a": "1", "b": ""})
    assert table.row(3, ["1", "2", "", " "]) == (3, {"a": "1", "b": "2"})
    assert table.row(4, ["", " "]) is None
    wrong = table.row(5, ["1", "2", "3"])
    assert isinstance(wrong, Problem)
    assert (wrong.where, wrong.what) == ("t.csv, row 5", "has 3 cells, the header 2")
