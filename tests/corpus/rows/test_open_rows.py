"""Rows are opened by what holds them: a file by its name and its first bytes, a folder, the hub, a list."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from domainkit.corpus.rows.open_rows import name_of, open_rows

LINE = json.dumps({"input": "a", "target": "b"})


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.txt", "a", "a.data"])
def test_names_that_say_nothing_are_json_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LINE, encoding="utf-8")
    source = open_rows(tmp_path / name)
    assert (source.format, [row for _, row in source.all()[0]]) == ("JSON Lines", [{"input": "a", "target": "b"}])
    assert name_of(tmp_path / name) == str(tmp_path / name)


@pytest.mark.parametrize(
    "name, data, what, next_step",
    [
        ("a.csv", gzip.compress(b"a,b"), "is packed with gzip", "unpack it first"),
        ("a.zst", b"(\xb5/\xfd1234", "is packed with zstd", "unpack it first"),
        (
            "a.jsonl",
            b"PAR1 and so on",
            "is named .jsonl, and holds what a .parquet file holds: read as that",
            "name it a.",
        ),
        (
            "a.doc",
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99),
            "is a document of Microsoft Office",
            "save its rows as",
        ),
    ],
)
def test_the_first_bytes_are_believed(tmp_path: Path, name: str, data: bytes, what: str, next_step: str) -> None:
    (tmp_path / name).write_bytes(data)
    problem = open_rows(tmp_path / name).problems[-1]
    assert problem.what.startswith(what)
    assert problem.next_step is not None
    assert problem.next_step.startswith(next_step)


def test_a_folder_and_nothing_are_named(tmp_path: Path) -> None:
    [folder] = open_rows(tmp_path).problems
    assert folder.what == "is a folder, not a file of rows"
    assert ".csv" in str(folder.next_step)
    (tmp_path / "rows.csv").write_text("input,target\n")
    [missing] = open_rows(str(tmp_path / "row.csv")).problems
    assert (missing.what, missing.next_step) == ("no such file or folder", "did you mean 'rows.csv'?")
    [nul] = open_rows("a\0b").problems
    assert nul.what.startswith("is not a path")
    assert name_of([]) == "the rows given"
