"""The CSV of a run is safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.items_csv import cell, to_csv, write_csv
from domainkit.results.schema import Results


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1", "'=1", "\n=1", "\u00a0=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text).startswith("'")


@given(st.text())
def test_a_cell_never_begins_like_a_formula(text: str) -> None:
    shown = cell(text)
    assert not shown.lstrip(" \u00a0\u3000").startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))
    assert "\x00" not in shown


def test_plain_text_is_left_alone() -> None:
    assert cell('a = b, "c"\nd') == 'a = b, "c"\nd'
    assert cell(None) == ""


def test_every_question_and_answer_is_there(build_results: Callable[..., Results], tmp_path: Path) -> None:
    results = build_results(30, hostile=('=HYPERLINK("http://x")', 'two\nlines, and a "quote"', "-2+3"))
    write_csv(results, tmp_path / "out.csv")
    raw = (tmp_path / "out.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert len(table) == 30
    assert table[0]["id"] == "q0000"
    assert table[0]["tuned: answer"] == '\'=HYPERLINK("http://x")'
    assert table[1]["tuned: answer"] == 'two\nlines, and a "quote"'
    assert float(table[0]["tuned: label_accuracy"]) in (0.0, 1.0)
    assert table[0]["classical: tokens in"] == ""
    assert table[5]["rag: error"].startswith("RequestError")


def test_an_unasked_question_is_empty(label_results: Results) -> None:
    item = label_results.items[0]
    fewer = item.model_copy(update={"answers": {k: v for k, v in item.answers.items() if k != "tuned"}})
    row = next(csv.DictReader(io.StringIO(to_csv(label_results.model_copy(update={"items": (fewer,)})), newline="")))
    assert row["tuned: answer"] == row["tuned: seconds"] == ""
    assert row["rag: answer"]
