"""Two runs side by side: paired, the changes listed, safe in a browser."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from domainkit.errors import ConfigError
from domainkit.report.side_by_side import print_side_by_side, render_side_by_side, set_side_by_side
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
    assert not found.notice
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
    assert found.notice == "Only the 100 questions of both runs are compared; A has 240, B has 100."
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
