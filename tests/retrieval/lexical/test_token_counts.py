"""The scores are those that bm25s computes itself, bit for bit, however many blocks they are made in."""

from __future__ import annotations

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.retrieval.lexical import token_counts
from domainkit.retrieval.lexical.retriever import LexicalIndex
from domainkit.retrieval.lexical.token_counts import TokenCounts
from domainkit.retrieval.lexical.tokens import tokenize

WORDS = st.lists(
    st.sampled_from(["the", "of", "bee", "hive", "honey", "comb", "queen", "mite", "3", "5", "%", "c++"]), max_size=12
).map(" ".join)


def by_bm25s(texts: list[str]) -> bm25s.BM25:
    scorer = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    scorer.index([tokenize(text) for text in texts], show_progress=False)
    return scorer


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(WORDS, min_size=1, max_size=20), question=WORDS)
def test_scores_equal_those_of_bm25s(texts: list[str], question: str) -> None:
    tokens = [t for t in tokenize(question) if any(t in tokenize(text) for text in texts)]
    if not tokens:
        return
    assert LexicalIndex.build(texts).scores(question).tolist() == by_bm25s(texts).get_scores(tokens).tolist()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"bee number {i} of hive {i % 3}" for i in range(20)]
    whole = TokenCounts.of(texts)
    monkeypatch.setattr(token_counts, "PART", 40)
    monkeypatch.setattr(token_counts, "BLOCK", 7)
    parts = TokenCounts.of(iter(texts))
    assert parts.vocabulary == whole.vocabulary
    assert parts.lengths.tolist() == whole.lengths.tolist() == [len(tokenize(t)) for t in texts]
    for name, value in parts.scores(1.2, 0.75).items():
        assert np.array_equal(value, whole.scores(1.2, 0.75)[name]), name


def test_no_texts_have_no_counts() -> None:
    counts = TokenCounts.of([])
    assert (counts.vocabulary, counts.lengths.tolist()) == ({}, [])
