"""JSON: a list, an object that holds one, columns; each row has a place of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.formats.json_file import open_json
from domainkit.errors import Problem

WANTED = wanted_names(None)
ROWS = [{"input": "a", "target": "b"}, {"input": "c", "target": "d"}]


def read(path: Path, text: str) -> tuple[list[Any], list[Problem]]:
    path.write_text(text, encoding="utf-8")
    return open_json(path, WANTED).all()


@pytest.mark.parametrize(
    "text, fact",
    [
        (json.dumps(ROWS), "a list"),
        (json.dumps({"data": ROWS, "version": 1}), "the list 'data'"),
        (json.dumps({"input": ["a", "c"], "target": ["b", "d"]}), "columns"),
        (json.dumps({"input": {"0": "a", "1": "c"}, "target": {"0": "b", "1": "d"}}), "columns"),
        (json.dumps({"columns": ["input", "target"], "data": [["a", "b"], ["c", "d"]]}), "'columns' and 'data'"),
        (json.dumps({"0": ROWS[0], "1": ROWS[1]}), "rows by their index"),
    ],
)
def test_every_way_to_hold_rows_is_read_and_said(tmp_path: Path, text: str, fact: str) -> None:
    path = tmp_path / "rows.json"
    rows, problems = read(path, text)
    assert ([row for _, row in rows], problems) == (ROWS, [])
    assert open_json(path, WANTED).facts == ("UTF-8", fact)


def test_rows_on_one_line_are_numbered_and_others_have_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for text, places in (
        (json.dumps(ROWS), ["rows.json, row 1", "rows.json, row 2"]),
        ("\n" + json.dumps(ROWS[:1]), ["rows.json, row 1"]),
        (json.dumps(ROWS, indent=1), ["rows.json:2", "rows.json:6"]),
        ("[" + ",\r\n".join(map(json.dumps, ROWS)) + "]", ["rows.json:1", "rows.json:2"]),
    ):
        rows, _ = read(path, text)
        source = open_json(path, WANTED)
        assert [Path(source.place(number)).name for number, _ in rows] == places


@pytest.mark.parametrize(
    "text, place, what",
    [
        ('[{"input": "a"}, 3]', "rows.json, row 2", "holds a row that is not an object"),
        ('[{"input": "a"}\n{"input": "b"}]', "rows.json:2", "a comma or the end of the list is missing behind a row"),
        ('[{"input": "a"},\n{"input": }]', "rows.json:2", "not JSON at column 11: Expecting value"),
        ('[{"input": "a"}]\n[]', "rows.json:1", "text follows the list of rows"),
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', "rows.json", "holds several lists of rows: 'a' (1 rows), 'b' (1 rows)"),
        ("3", "rows.json:1", "is neither a list of objects nor one object"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, place: str, what: str) -> None:
    _, [problem] = read(tmp_path / "rows.json", text)
    assert (Path(problem.where).name, problem.what) == (place, what)


def test_a_file_of_lines_is_read_as_lines(tmp_path: Path) -> None:
    rows, problems = read(tmp_path / "rows.json", "\n".join(map(json.dumps, ROWS)))
    assert (rows, problems) == ([(1, ROWS[0]), (2, ROWS[1])], [])
