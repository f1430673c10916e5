"""The mark of rows that a model wrote: read in each spelling of a table, and never a field that nobody read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.corpus.rows.examples import scan_examples
from domainkit.corpus.rows.synthetic import synthetic_mark
from domainkit.evaluation.read_task import read_task

ORIGIN = {"quote": "It costs £9.", "document": "plans.pdf", "page": 3, "headings": ["Plans"], "writer": "echo:writer"}


@pytest.mark.parametrize("value", [True, "true", "TRUE", " Yes ", 1, 1.0, "1"])
def test_every_spelling_of_the_mark_counts(value: object) -> None:
    assert synthetic_mark({"synthetic": value}) is True


@pytest.mark.parametrize("row", [{}, {"synthetic": None}, {"synthetic": False}, {"synthetic": "False"}])
def test_a_row_without_the_mark_is_not_synthetic(row: dict[str, object]) -> None:
    assert synthetic_mark(row) is False


def test_the_mark_survives_and_its_fields_are_not_named_as_unread(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"input": "What does it cost?", "target": "£9", "synthetic": "TRUE", **ORIGIN},
        {"input": "What is late?", "target": "the bee"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert scan_examples(path)[1] == []
    made, mine = read_task(path).samples
    assert (made.synthetic, made.writer, made.meta["page"]) == (True, "echo:writer", 3)
    assert (mine.synthetic, mine.writer) == (False, "")


def test_fields_of_these_names_in_other_rows_and_other_marks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {"input": "a", "target": "b", "quote": "mine"},
        {"input": "c", "target": "d", "synthetic": "polymer", "page": 2},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    [problem] = scan_examples(path)[1]
    assert problem.what == "not read: 'quote' (1 row), 'synthetic' (1 row), 'page' (1 row)"
    assert not any(s.synthetic for s in read_task(path).samples)
