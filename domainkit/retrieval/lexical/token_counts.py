"""How often each token stands in each text, and the BM25 scores that follow: a sparse matrix, made in blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, vstack

from domainkit.retrieval.lexical.vocabulary import Vocabulary

PART, BLOCK = 16_000_000, 4_000_000
"""Characters of the texts that are read at once, and scores that are computed at once: some 200 MB."""


@dataclass(frozen=True)
class TokenCounts:
    """The counts of a corpus."""

    vocabulary: dict[str, int]
    """Tokens to their columns."""
    lengths: np.ndarray
    """Tokens of each text, int64 (texts,)."""
    counts: csc_matrix
    """int32 (texts, tokens)."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> TokenCounts:
        vocabulary = Vocabulary()
        blocks, lengths = [], [np.zeros(0, np.int64)]
        for part in _parts(texts):
            numbers, each = vocabulary.read(part)
            blocks.append(_counted(numbers, each, len(vocabulary)))
            lengths.append(each)
        for block in blocks:
            block.resize(block.shape[0], len(vocabulary))
        counts = vstack(blocks, format="csr").tocsc() if blocks else csc_matrix((0, 0), dtype=np.int32)
        return cls(vocabulary, np.concatenate(lengths), counts)

    def scores(self, k1: float, b: float) -> dict[str, object]:
        """BM25 in Lucene's form, as bm25s keeps it: data float32, indices and indptr int32 by token, num_docs."""
        texts, counts = len(self.lengths), self.counts
        found_in = np.diff(counts.indptr)
        kinds, kind = np.unique(found_in, return_inverse=True)
        idf = np.array([math.log(1 + (texts - n + 0.5) / (n + 0.5)) for n in kinds.tolist()], np.float32)[kind]
        length = k1 * ((1 - b) + b * self.lengths / self.lengths.mean())
        data = np.empty(counts.nnz, np.float32)
        for start in range(0, counts.nnz, BLOCK):
            part = slice(start, start + BLOCK)
            columns = np.searchsorted(counts.indptr, np.arange(start, min(start + BLOCK, counts.nnz)), "right") - 1
            tf = counts.data[part].astype(np.float32)
            data[part] = idf[columns] * (tf / (length[counts.indices[part]] + tf))
        indptr = counts.indptr.astype(np.int32) if counts.nnz < 2**31 else counts.indptr
        return {"data": data, "indices": counts.indices.astype(np.int32), "indptr": indptr, "num_docs": texts}


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts of some PART characters together."""
    part, size = [], 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= PART:
            yield part
            part, size = [], 0
    if part:
        yield part


def _counted(numbers: np.ndarray, lengths: np.ndarray, width: int) -> csr_matrix:
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    found = csr_matrix((np.ones(len(numbers), np.int32), numbers, ends), shape=(len(lengths), width))
    found.sum_duplicates()
    return found
