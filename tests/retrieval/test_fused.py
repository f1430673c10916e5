"""Reciprocal rank fusion: the formula, and its ties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.retrieval.fused import fuse

rankings = st.lists(
    st.lists(st.integers(0, 20), unique=True, max_size=15).map(lambda rows: [(r, 0.0) for r in rows]), max_size=3
)


def test_the_papers_sum() -> None:
    fused = fuse([[(7, 9.0), (8, 1.0)], [(8, 0.5), (9, 0.4)]], 5)
    assert [row for row, _ in fused] == [8, 7, 9]
    assert [score for _, score in fused] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


def test_ties_go_to_the_first_ranking() -> None:
    assert [row for row, _ in fuse([[(3, 0.0), (1, 0.0)], [(1, 0.0), (3, 0.0)]], 2)] == [3, 1]


@given(rankings=rankings, k=st.integers(1, 10))
def test_rows_are_known_unique_and_sorted(rankings: list[list[tuple[int, float]]], k: int) -> None:
    fused = fuse(rankings, k)
    rows = [row for row, _ in fused]
    known = {row for ranking in rankings for row, _ in ranking}
    assert len(set(rows)) == len(rows) == min(k, len(known))
    assert set(rows) <= known
    assert [s for _, s in fused] == pytest.approx(sorted((s for _, s in fused), reverse=True))


@given(ranking=st.lists(st.integers(0, 20), unique=True, max_size=15))
def test_agreeing_rankings_are_kept(ranking: list[int]) -> None:
    once = [(row, 0.0) for row in ranking]
    assert [row for row, _ in fuse([once, once], 20)] == ranking
