"""LexicalRetriever: BM25 over words (Robertson and Zaragoza 2009), k1 = 1.2, b = 0.75, by bm25s."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s
import numpy as np
from pydantic import PrivateAttr

from domainkit.retrieval.lexical.token_counts import TokenCounts
from domainkit.retrieval.lexical.tokens import tokenize
from domainkit.retrieval.passages import PassageRetriever, Ranking, best, indexed_text
from domainkit.retrieval.saved import digest_of, saved

K1, B = 1.2, 0.75
TOKENIZER = "words/6"
"""Part of the saved index's name. Change it whenever `tokenize` changes."""


class LexicalIndex:
    """The BM25 index of texts; one that was saved is mapped from its files, not loaded."""

    def __init__(self, scorer: bm25s.BM25 | None, size: int) -> None:
        self._scorer = scorer  # None when no text has a word: bm25s cannot index that
        self._size = size

    @classmethod
    def build(cls, texts: Iterable[str]) -> LexicalIndex:
        """Index texts, which are read once."""
        counts = TokenCounts.of(texts)
        if not counts.vocabulary:
            return cls(None, len(counts.lengths))
        scorer = bm25s.BM25(k1=K1, b=B, method="lucene")
        scorer.scores = counts.scores(K1, B)
        scorer.vocab_dict = counts.vocabulary
        scorer.nonoccurrence_array = None
        return cls(scorer, len(counts.lengths))

    def scores(self, question: str) -> np.ndarray:
        """BM25 of each text, float32 (texts,); 0 where no word is shared."""
        tokens = [] if self._scorer is None else [t for t in tokenize(question) if t in self._scorer.vocab_dict]
        if self._scorer is None or not tokens:
            return np.zeros(self._size, np.float32)
        return np.asarray(self._scorer.get_scores(tokens), np.float32)

    def save(self, folder: Path) -> None:
        np.save(folder / "size.npy", np.array(self._size), allow_pickle=False)
        if self._scorer is not None:
            self._scorer.save(str(folder / "bm25"), allow_pickle=False, show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        size = int(np.load(folder / "size.npy", allow_pickle=False))
        stored = folder / "bm25"
        if not stored.is_dir():
            return cls(None, size)
        return cls(bm25s.BM25.load(str(stored), allow_pickle=False, mmap=True), size)


class LexicalRetriever(PassageRetriever):
    """Finds documents that share words with the question. A document that shares none is not returned."""

    _index: LexicalIndex | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def rank(self, question: str, k: int) -> Ranking:
        return [(row, score) for row, score in best(self.index().scores(question), k) if score > 0]

    def prepare(self, questions: Sequence[str]) -> None:
        self.index()

    def index(self) -> LexicalIndex:
        """The index. It is built, or read from the cache, on first use."""
        with self._lock:
            if self._index is None:
                self._index = self._build()
            return self._index

    def _build(self) -> LexicalIndex:
        if not self.cache:
            return LexicalIndex.build(map(indexed_text, self.documents))
        contents = {
            "kind": "lexical",
            "tokenizer": TOKENIZER,
            "k1": K1,
            "b": B,
            "bm25s": bm25s.__version__,
            "texts": digest_of(map(indexed_text, self.documents)),
        }
        return saved(contents, lambda: LexicalIndex.build(map(indexed_text, self.documents)), LexicalIndex.load)
