"""DenseRetriever: the documents whose sentence vectors have the largest cosine with the question's; exact search."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings
from pydantic import Field, PrivateAttr

from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.retrieval.long_embedding import (
    BLOCK,
    HOURS,
    EmbedBlock,
    EmbeddingProgress,
    done_in,
    embed_in_blocks,
    refuse_long,
    remove_work,
)
from domainkit.retrieval.passages import PassageRetriever, Ranking, best, indexed_text
from domainkit.retrieval.saved import digest_of, index_folder, saved

CACHED_QUESTIONS = 4096
"""Question vectors kept in memory: 6 MB at 384 values."""


class Vectors:
    """Rows of unit length, float32 (texts, width); those that were saved are mapped from their file, not loaded."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self.rows, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Vectors:
        return cls(np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False))


class DenseIndex:
    """The vectors of texts, and those of the latest questions. Safe to use from many threads."""

    def __init__(self, vectors: Vectors, embeddings: Embeddings) -> None:
        self._vectors = vectors
        self._embeddings = embeddings
        self._questions: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def make(
        cls,
        texts: Sequence[str],
        embeddings: Embeddings,
        *,
        cache: bool,
        hours: float = HOURS,
        on_progress: EmbeddingProgress | None = None,
    ) -> DenseIndex:
        """Embed `texts`, or read their vectors from the cache. Only a model with an `identity()` is cached; for another
        one, an interrupted embedding begins anew.

        Raises MachineError where embedding would take more than `hours`.
        """
        identity: Callable[[], str] | None = getattr(embeddings, "identity", None)
        embed = _embedder(embeddings)
        if not cache or identity is None:
            refuse_long(texts, embed, hours)
            return cls(Vectors(embed(list(texts))), embeddings)
        contents = {"kind": "dense", "model": identity(), "texts": digest_of(texts)}
        work = index_folder(contents).with_suffix(".partial")

        def build() -> Vectors:
            if len(texts) <= BLOCK:
                return Vectors(embed(list(texts)))
            return Vectors(embed_in_blocks(texts, embed, work, hours, on_progress))

        vectors = saved(contents, build, Vectors.load)
        if index_folder(contents).is_dir():
            remove_work(work)
        return cls(vectors, embeddings)

    @property
    def rows(self) -> np.ndarray:
        """The vectors of the texts."""
        return self._vectors.rows

    def scores(self, question: str) -> np.ndarray:
        """Cosine of each text with the question, float32 (texts,)."""
        self.prepare([question])
        with self._lock:
            vector = self._questions.get(question)
        if vector is None:  # the questions of other threads evicted it
            vector = self._embed([question])[0]
        # The last bits of a vector depend on the batch it was made in. Rounding keeps equal texts equal.
        return np.round(self._vectors.rows @ vector, 5)

    def prepare(self, questions: Sequence[str]) -> None:
        """Embed the questions without a vector, in one batch."""
        with self._lock:
            new = list(dict.fromkeys(q for q in questions if q not in self._questions))
        if not new:
            return
        vectors = self._embed(new)
        with self._lock:
            self._questions.update(zip(new, vectors, strict=True))
            while len(self._questions) > max(CACHED_QUESTIONS, len(new)):
                self._questions.popitem(last=False)

    def _embed(self, questions: list[str]) -> np.ndarray:
        if isinstance(self._embeddings, MiniLMEmbeddings):
            return self._embeddings.vectors(questions)
        # Other models may treat questions and documents differently.
        return _unit([self._embeddings.embed_query(q) for q in questions], len(questions))


def sentence_vectors(texts: Sequence[str], model: MiniLMEmbeddings) -> np.ndarray:
    """Rows of length 1, float32 (texts, width), read from the cache where it has them."""
    return DenseIndex.make(texts, model, cache=True).rows


def sentence_cosines(questions: Sequence[str], texts: Sequence[str], model: Embeddings) -> Iterator[np.ndarray]:
    """For each question, its cosine with each of `texts`, float32 (texts,). The vectors of `texts` are cached."""
    index = DenseIndex.make(texts, model, cache=True)
    index.prepare(questions)
    yield from (index.scores(question) for question in questions)


class DenseRetriever(PassageRetriever):
    """Finds documents whose meaning is similar to the question's."""

    embeddings: Embeddings = Field(default_factory=lambda: MiniLMEmbeddings())
    """Any LangChain embeddings; one without `identity()` is never cached."""
    embed_hours: float = Field(default=HOURS, gt=0)
    """Embedding that would take longer is refused beforehand."""
    on_progress: EmbeddingProgress | None = Field(default=None, exclude=True, repr=False)

    _index: DenseIndex | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def rank(self, question: str, k: int) -> Ranking:
        return best(self.index().scores(question), k)

    def prepare(self, questions: Sequence[str]) -> None:
        self.index().prepare(questions)

    def index(self) -> DenseIndex:
        """The index. It is built, or read from the cache, on first use."""
        with self._lock:
            if self._index is None:
                texts = [indexed_text(d) for d in self.documents]
                self._index = DenseIndex.make(
                    texts, self.embeddings, cache=self.cache, hours=self.embed_hours, on_progress=self.on_progress
                )
            return self._index


def check_embedding_time(texts: Sequence[str], hours: float) -> None:
    """Refuse with MachineError what `DenseIndex.make` would refuse for MiniLM, before anything else is done."""
    if len(texts) <= BLOCK:
        return
    model = MiniLMEmbeddings()
    contents = {"kind": "dense", "model": model.identity(), "texts": digest_of(texts)}
    if not index_folder(contents).is_dir():
        refuse_long(texts, model.vectors, hours, done_in(index_folder(contents).with_suffix(".partial")))


def _embedder(embeddings: Embeddings) -> EmbedBlock:
    return lambda texts: _unit(embeddings.embed_documents(texts), len(texts))


def _unit(vectors: Sequence[Sequence[float]], count: int) -> np.ndarray:
    rows = np.asarray(vectors, np.float32).reshape(count, -1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
