"""FusedRetriever: a lexical and a dense ranking joined by reciprocal rank fusion (Cormack et al., SIGIR 2009)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from langchain_core.embeddings import Embeddings
from pydantic import Field, PrivateAttr

from domainkit.retrieval.dense import DenseRetriever
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.retrieval.lexical.retriever import LexicalRetriever
from domainkit.retrieval.long_embedding import HOURS, EmbeddingProgress
from domainkit.retrieval.passages import PassageRetriever, Ranking

RANK_CONSTANT = 60
"""k of the paper. The larger it is, the less the first ranks outweigh the next."""
DEPTH = 100
"""Rows that are read of each ranking."""


def fuse(rankings: Sequence[Ranking], k: int) -> Ranking:
    """The k rows with the largest sum over rankings of 1 / (60 + rank), rank from 1.

    Ties go to the row that stands higher in the first ranking, then in the next, then in the order of the documents.
    """
    ranks = [{row: rank for rank, (row, _) in enumerate(ranking, start=1)} for ranking in rankings]
    scores = {row: sum(1 / (RANK_CONSTANT + r[row]) for r in ranks if row in r) for r in ranks for row in r}
    last = max((len(r) for r in ranks), default=0) + 1
    order = sorted(scores, key=lambda row: (-round(scores[row], 12), *(r.get(row, last) for r in ranks), row))
    return [(row, scores[row]) for row in order[:k]]


class FusedRetriever(PassageRetriever):
    """Finds documents that share the question's words or its meaning. Those that share both come first."""

    embeddings: Embeddings = Field(default_factory=lambda: MiniLMEmbeddings())
    """Any LangChain embeddings; one without `identity()` is never cached."""
    embed_hours: float = Field(default=HOURS, gt=0)
    """Embedding that would take longer is refused beforehand."""
    on_progress: EmbeddingProgress | None = Field(default=None, exclude=True, repr=False)

    _parts: tuple[DenseRetriever, LexicalRetriever] | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def rank(self, question: str, k: int) -> Ranking:
        return fuse([part.rank(question, max(DEPTH, k)) for part in self.parts()], k)

    def prepare(self, questions: Sequence[str]) -> None:
        for part in self.parts():
            part.prepare(questions)

    def parts(self) -> tuple[DenseRetriever, LexicalRetriever]:
        """The retrievers that are fused."""
        with self._lock:
            if self._parts is None:
                dense = DenseRetriever(
                    documents=self.documents,
                    embeddings=self.embeddings,
                    cache=self.cache,
                    k=self.k,
                    embed_hours=self.embed_hours,
                    on_progress=self.on_progress,
                )
                self._parts = dense, LexicalRetriever(documents=self.documents, cache=self.cache, k=self.k)
            return self._parts
