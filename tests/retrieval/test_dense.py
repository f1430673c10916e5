"""Dense search: exact cosine, questions embedded in one go and remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domainkit.retrieval import dense
from domainkit.retrieval.dense import DenseIndex, DenseRetriever


def test_scores_are_cosines(embeddings: Any) -> None:
    texts = ["alpha beta", "gamma"]
    scores = DenseIndex.make(texts, embeddings, cache=False).scores("alpha beta")
    rows = np.array(embeddings.embed_documents(texts))
    cosine = rows @ rows[0] / (np.linalg.norm(rows, axis=1) * np.linalg.norm(rows[0]))
    assert scores.tolist() == pytest.approx(cosine.tolist(), abs=1e-5)


def test_a_text_without_features_scores_zero_not_nan(embeddings: Any) -> None:
    assert DenseIndex.make(["a", "bc"], embeddings, cache=False).scores("").tolist() == [0, 0]


def test_each_question_is_embedded_once(documents: Any, embeddings: Any) -> None:
    retriever = DenseRetriever(documents=documents, embeddings=embeddings)
    retriever.batch(["one?", "two?", "one?"])
    retriever.invoke("two?")
    assert [q for batch in embeddings.asked[1:] for q in batch] == ["one?", "two?"]


def test_only_so_many_questions_are_remembered(embeddings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "CACHED_QUESTIONS", 2)
    index = DenseIndex.make(["alpha", "beta"], embeddings, cache=False)
    first = index.scores("alpha").tolist()
    for question in ("b", "c", "d"):
        index.scores(question)
    assert index.scores("alpha").tolist() == first
    assert embeddings.asked.count(["alpha"]) == 2
