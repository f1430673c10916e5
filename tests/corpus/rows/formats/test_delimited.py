"""CSV and its relatives: every file of a difficulty comes out right, or is refused with its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.errors import Problem

WANTED = wanted_names(None)
ASKED = [{"input": "Äpfel; rot", "target": "ja"}, {"input": 'Birne "süß"\nzwei', "target": "nein, nie"}]
HEAD = "input;target\n"


def read(path: Path) -> tuple[list[dict[str, str]], list[Problem]]:
    rows, problems = open_rows(path, WANTED).all()
    return [row for _, row in rows], problems


def write(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def written(delimiter: str = ";", end: str = "\n", before: str = "") -> str:
    out = io.StringIO(newline="")
    table = csv.writer(out, delimiter=delimiter, lineterminator=end)
    table.writerows([ASKED[0].keys(), *(row.values() for row in ASKED)])
    return before + out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(written(delimiter).encode() for delimiter in ",;\t|"),
        *(written(end=end).encode() for end in ("\r\n", "\r")),
        *(written("\t").encode(codec) for codec in ("utf-8-sig", "utf-16", "cp1252")),
        written(before="sep=;\r\n").encode(),
        written(before="Report of 2026\n\n;\n").encode(),
        written(before='"Made by; our desk";\n').encode(),
        written().replace("input;target", " Input ;TARGET").replace("Input", "input").encode(),
    ],
)
def test_separators_ends_and_encodings_are_found(tmp_path: Path, data: bytes) -> None:
    rows, problems = read(write(tmp_path, data))
    assert [list(row.values()) for row in rows] == [list(row.values()) for row in ASKED]
    assert not [p for p in problems if p.severity == "error"]


def test_every_cell_stays_text_and_rows_keep_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,input,target\n00123,"a\nb",+49\n\n,,\n12345678901234567890,1.50,03.09.2026\n')
    assert open_rows(path, WANTED).all()[0] == [
        (2, {"id": "00123", "input": "a\nb", "target": "+49"}),
        (6, {"id": "12345678901234567890", "input": "1.50", "target": "03.09.2026"}),
    ]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("text\nHello, world; yes\nSecond, line; no\n", [["Hello, world; yes"], ["Second, line; no"]]),
        ('input\ttarget\nx "y\tz\n"q" he said\tw\n', [['x "y', "z"], ['"q" he said', "w"]]),
        ('input,target\n"he said \\"hi\\", twice",b\n', [['he said "hi", twice', "b"]]),
        (
            "input;target\nten euros, please;1,5\nfive, or six;2,5\n",
            [["ten euros, please", "1,5"], ["five, or six", "2,5"]],
        ),
        ("question|answer\nDoes it, or not?|yes, it does\n", [["Does it, or not?", "yes, it does"]]),
    ],
)
def test_text_that_looks_like_other_separators_stays_text(tmp_path: Path, text: str, rows: list[list[str]]) -> None:
    found, problems = read(write(tmp_path, text, "rows.tsv" if "\t" in text else "rows.csv"))
    assert ([list(row.values()) for row in found], problems) == (rows, [])


@pytest.mark.parametrize(
    ("text", "line", "what", "severity"),
    [
        (HEAD + "a;b\nc;d;e;f\n", 3, "has 4 cells, the header 2", "error"),
        (HEAD + "a;b\nc\nd\n", 3, "2 rows have fewer cells than the header, the first here", "warning"),
        (HEAD + 'a;b\n"c;d\ne;f\n', 3, "a quote is opened here and never closed", "error"),
        (HEAD + 'a;b\n"c"d;e\n', 3, "a quote is closed inside a cell", "error"),
        (HEAD + "a;\0\n", 2, "holds a NUL byte", "error"),
        ("input;input;target\na;b;c\n", 1, "the header has 'input' more than once", "warning"),
        ("Report\ninput;target\na;b\n", 1, "the header is in line 2; not read above it: Report", "warning"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, what: str, severity: str) -> None:
    _, problems = read(write(tmp_path, text))
    [problem] = [p for p in problems if what in p.what]
    assert (problem.line, problem.severity) == (line, severity)
    assert problem.next_step


def test_columns_without_a_name_are_numbered(tmp_path: Path) -> None:
    assert open_rows(write(tmp_path, "input,target,,\na,b,c,d\n"), WANTED).columns == (
        "input",
        "target",
        "column 3",
        "column 4",
    )


plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1b\ufeff"), min_size=1).filter(str.strip)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(plain_text, plain_text), min_size=1, max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_standard_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str, codec: str
) -> None:
    path = tmp_path_factory.mktemp("c") / "rows.csv"
    with path.open("w", encoding=codec, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([("input", "target"), *rows])
    found, problems = read(path)
    assert not problems
    assert [tuple(row.values()) for row in found] == rows
