"""NearestExamples: the solved examples nearest to a question, as shots for its prompt (arXiv 2101.06804)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
from langchain_core.embeddings import Embeddings

from domainkit.corpus.example import Example
from domainkit.errors import ConfigError
from domainkit.retrieval.dense import DenseIndex
from domainkit.retrieval.embeddings import MiniLMEmbeddings
from domainkit.text.words import fold


def nearest_examples(
    examples: Sequence[Example], k: int = 4, embeddings: Embeddings | None = None, *, cache: bool = True
) -> NearestExamples:
    """A finder of the k solved examples most similar to a question, by MiniLM or other `embeddings`."""
    return NearestExamples(examples, k, embeddings, cache=cache)


class NearestExamples:
    """Picks the `k` examples whose questions have the largest cosine with a question, best first; ties keep the given
    order.

    Vectors are computed at construction, or read from the cache. Safe to use from many threads.
    """

    def __init__(
        self, examples: Sequence[Example], k: int = 4, embeddings: Embeddings | None = None, *, cache: bool = True
    ) -> None:
        if k < 1:
            raise ConfigError(f"k={k}: at least one example is needed", next_step="k=4 is the default")
        if not examples:
            raise ConfigError("no solved examples to choose from", next_step="give training examples, or use no shots")
        self.examples = tuple(examples)
        self.k = k
        self._folded = [fold(e.query) for e in self.examples]
        questions = [e.query for e in self.examples]
        self._index = DenseIndex.make(questions, embeddings or MiniLMEmbeddings(), cache=cache)

    def nearest(self, question: str, *, exclude_same: bool = False) -> list[Example]:
        """At most k examples; with `exclude_same` none with the same question."""
        order = np.argsort(-self._index.scores(question), kind="stable")
        same = fold(question) if exclude_same else None
        rows = (int(row) for row in order if same is None or self._folded[row] != same)
        return [self.examples[row] for row in islice(rows, self.k)]

    def nearest_many(self, questions: Sequence[str], *, exclude_same: bool = False) -> list[list[Example]]:
        """`nearest` for each question, all embedded in one batch."""
        self._index.prepare(questions)
        return [self.nearest(question, exclude_same=exclude_same) for question in questions]
