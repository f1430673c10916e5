"""Two runs side by side, and the CSV of one: safe in a browser and in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from domainkit.errors import ConfigError
from domainkit.report.items_csv import cell, to_csv, write_csv
from domainkit.report.sections.side_by_side import print_side_by_side, render_side_by_side, set_side_by_side
from domainkit.results.schema import Portfolio, Results

METRIC = "label_accuracy"


def worsened(results: Results, variant: str, count: int, text: str = "wrong") -> Results:
    """The same run with `count` right answers of a variant turned wrong."""
    items, left = [], count
    for item in results.items:
        row = item.answers[variant]
        if left and row.scores[METRIC] == 1.0:
            left -= 1
            row = row.model_copy(update={"text": text, "scores": {**row.scores, METRIC: 0.0}})
        items.append(item.model_copy(update={"answers": {**item.answers, variant: row}}))
    return results.model_copy(
        update={"items": tuple(items), "model": {**results.model, "adapter": {"sha256": "other"}}}
    )


def test_differences_are_paired_and_changes_listed(label_results: Results) -> None:
    found = set_side_by_side(label_results, worsened(label_results, "tuned", 40))
    by_name = {p.name: p for p in found.pairings}
    d = by_name["tuned"].difference
    assert d is not None
    assert (d.state, d.losses, d.wins) == ("WORSE", 40, 0)
    assert by_name["rag"].difference is not None
    assert by_name["rag"].difference.value == 0
    assert len(found.changes) == 40
    assert {c.variant for c in found.changes} == {"tuned"}
    assert not found.told
    assert ("adapter sha256", "77ab" * 16, "other") in found.facts


def test_the_page_and_the_table_say_so(label_results: Results) -> None:
    found = set_side_by_side(label_results, worsened(label_results, "tuned", 40))
    page = render_side_by_side(found, ("runs/one", "runs/two"))
    assert "<script" not in page
    assert "40 worse, 0 better" in page
    assert "recommended by A" in page
    out = io.StringIO()
    print_side_by_side(found, Console(file=out, width=100, color_system=None), ("runs/one", "runs/two"))
    assert "tuned: 0 questions better in B, 40 worse" in out.getvalue()
    assert "▼ WORSE" in out.getvalue()


def test_only_the_shared_questions_are_compared(label_results: Results) -> None:
    fewer = label_results.model_copy(update={"items": label_results.items[:100]})
    found = set_side_by_side(label_results, fewer)
    assert found.shared == 100
    assert found.told == "Only the 100 questions of both runs are compared; A has 240, B has 100."
    assert not found.changes


def test_runs_that_do_not_belong_together_are_refused(label_results: Results, answer_results: Results) -> None:
    with pytest.raises(ConfigError, match="scored differently: label_accuracy and token_f1"):
        set_side_by_side(label_results, answer_results)
    with pytest.raises(ConfigError, match="several comparisons"):
        set_side_by_side(Portfolio(title="", comparisons=(label_results,)), label_results)
    others = tuple(i.model_copy(update={"input": f"{i.input}?"}) for i in label_results.items)
    with pytest.raises(ConfigError, match="share no question"):
        set_side_by_side(label_results, label_results.model_copy(update={"items": others}))


def test_hostile_answers_stay_text(build_results: Callable[..., Results]) -> None:
    results = build_results(24)
    page = render_side_by_side(set_side_by_side(results, worsened(results, "tuned", 3, "<img src=x>\u202e")))
    assert "<img src=x" not in page
    assert "&lt;img src=x&gt;⟨U+202E⟩" in page


# ---- CSV --------------------------------------------------------------------------------------------------------------


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
