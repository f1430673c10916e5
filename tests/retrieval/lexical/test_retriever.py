"""BM25: tokens, the formula, and questions without a known word."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.corpus.document import Document
from domainkit.retrieval.lexical.retriever import LexicalIndex, LexicalRetriever, tokenize


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("The ＢＲＣＡ1 gene's role—2 types", ["the", "brca1", "gene", "s", "role", "2", "types"]),
        ("E\u0301clair straße", ["éclair", "strasse"]),
        ("東京都 de 猫", ["東京", "京都", "de", "猫"]),
        ("東京、大阪", ["東京", "大阪"]),
        ("हिन्दी किताब।", ["हिन्दी", "किताब"]),
        ("C++ at 3.5 %", ["c", "c++", "at", "3", "5", "3.5%"]),
        ("?!", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_scores_are_bm25_with_k1_1_2_and_b_0_75() -> None:
    texts = ["a a b", "b c", "c d e f"]
    # Lucene's form: idf = ln(1 + (N - n + 0.5) / (n + 0.5)); tf / (tf + k1 (1 - b + b length / mean length)).
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    expected = idf * 2 / (2 + 1.2 * (1 - 0.75 + 0.75 * 3 / 3))
    assert LexicalIndex.build(texts).scores("a").tolist() == pytest.approx([expected, 0, 0], rel=1e-5)


def test_a_question_without_a_known_word_finds_nothing(documents: tuple[Document, ...]) -> None:
    assert LexicalRetriever(documents=documents).invoke("zebra!") == []
    assert LexicalRetriever(documents=documents).invoke("") == []


def test_texts_without_words_are_searchable_and_saved(tmp_path: Path) -> None:
    index = LexicalIndex.build(["!!", "??"])
    index.save(tmp_path)
    assert LexicalIndex.load(tmp_path).scores("a").tolist() == [0, 0]


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=6), question=st.text(max_size=20))
def test_a_score_is_positive_exactly_where_a_word_is_shared(texts: list[str], question: str) -> None:
    scores = LexicalIndex.build(texts).scores(question)
    shared = [bool(set(tokenize(question)) & set(tokenize(t))) for t in texts]
    assert [s > 0 for s in scores] == shared


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=6), question=st.text(max_size=20))
def test_saved_and_loaded_scores_are_equal(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], question: str
) -> None:
    folder = tmp_path_factory.mktemp("i")
    index = LexicalIndex.build(texts)
    index.save(folder)
    assert LexicalIndex.load(folder).scores(question).tolist() == index.scores(question).tolist()
