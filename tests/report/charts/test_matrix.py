"""Wins and losses mirror."""

from __future__ import annotations

from domainkit.report.charts.matrix import wins_matrix
from domainkit.results.schema import Results


def test_the_matrix_counts_what_both_answered_and_mirrors(rich: Results) -> None:
    matrix = {
        row: dict(zip([name for name, _ in wins_matrix(rich)], cells, strict=True)) for row, cells in wins_matrix(rich)
    }
    a, b = matrix["tuned"]["zero-shot"], matrix["zero-shot"]["tuned"]
    assert a is not None
    assert b is not None
    assert (a.wins, a.ties, a.losses) == (b.losses, b.ties, b.wins)
    assert a.wins + a.ties + a.losses == 60
    assert (a.side, b.side) == ("win", "loss")
    assert matrix["rag"]["rag"] is None


def test_two_variants_need_no_matrix(rich: Results) -> None:
    assert wins_matrix(rich.model_copy(update={"variants": rich.variants[:2]})) == []
