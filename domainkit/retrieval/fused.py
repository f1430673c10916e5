"""FusedRetriever: lexical and dense rankings in one, by reciprocal rank fusion (Cormack et al., SIGIR 2009)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field, PrivateAttr

from domainkit.retrieval.dense import DenseRetriever
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.retrieval.lexical import LexicalRetriever
from domainkit.retrieval.passages import PassageRetriever, Ranking

RANK_CONSTANT = 60
"""k of the paper: how little the very first places outweigh the next."""
DEPTH = 100
"""How far down each ranking is read."""


def fuse(rankings: Sequence[Ranking], k: int) -> Ranking:
    """The k rows with the largest sum over rankings of 1 / (60 + rank), rank from 1.

    Ties go to the row that stands higher in the first ranking, then in the next, then in the order of the documents.
    """
    places = [{row: place for place, (row, _) in enumerate(ranking, start=1)} for ranking in rankings]
    scores = {row: sum(1 / (RANK_CONSTANT + p[row]) for p in places if row in p) for p in places for row in p}
    last = max((len(p) for p in places), default=0) + 1
    order = sorted(scores, key=lambda row: (-round(scores[row], 12), *(p.get(row, last) for p in places), row))
    return [(row, scores[row]) for row in order[:k]]


class FusedRetriever(PassageRetriever):
    """Finds documents that either share the question's words or its meaning; those that do both come first."""

    embeddings: Embeddings = Field(default_factory=lambda: MiniLMEmbeddings())
    """Any LangChain embeddings; one without `identity()` is never cached."""

    _parts: tuple[DenseRetriever, LexicalRetriever] | None = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def rank(self, question: str, k: int) -> Ranking:
        return fuse([part.rank(question, max(DEPTH, k)) for part in self.parts()], k)

    def prepare(self, questions: Sequence[str]) -> None:
        for part in self.parts():
            part.prepare(questions)

    def parts(self) -> tuple[DenseRetriever, LexicalRetriever]:
        """The retrievers that are fused."""
        with self._lock:
            if self._parts is None:
                dense = DenseRetriever(documents=self.documents, embeddings=self.embeddings, cache=self.cache, k=self.k)
                self._parts = dense, LexicalRetriever(documents=self.documents, cache=self.cache, k=self.k)
            return self._parts
