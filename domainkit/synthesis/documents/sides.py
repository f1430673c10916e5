"""Which documents the training rows come from, and which the test rows: no document serves both."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from domainkit.corpus.document import Document
from domainkit.errors import ConfigError
from domainkit.text.words import fold

Side = Literal["train", "test"]
_TOLERATED = 1.5
"""How much larger than its share the test side may become by its first document."""


def sides_of(documents: Sequence[Document], sizes: dict[str, int], test_share: float, seed: int) -> dict[str, Side]:
    """Each document's side, by id. `sizes` are the documents' sections: the test side gets about its share of them.

    Documents of the same words stay together. The choice depends on the seed, the ids and the texts, not on the order.
    Raises ConfigError where fewer than two different documents are there for two sides.
    """
    if test_share in (0.0, 1.0):
        return {d.id: "test" if test_share else "train" for d in documents}
    groups = _same_words(documents)
    if len(groups) < 2:
        raise ConfigError(
            "there is only one document with text, so test rows cannot come from a document that no training row saw",
            next_step="add documents, cut the file into one file a chapter, or make training rows alone with "
            "--test-share 0",
        )
    order = sorted(groups, key=lambda ids: hashlib.sha256(f"{seed}\n{ids[0]}".encode()).hexdigest())
    size = {ids[0]: sum(sizes.get(name, 0) for name in ids) for ids in order}
    wanted = test_share * sum(size.values())
    chosen: set[str] = set()
    reached = 0
    for ids in order:
        if reached < wanted and len(chosen) < len(groups) - 1 and reached + size[ids[0]] <= max(_TOLERATED * wanted, 1):
            chosen.add(ids[0])
            reached += size[ids[0]]
    if not chosen:  # every document is larger than the test side should be
        chosen.add(min(order, key=lambda ids: size[ids[0]])[0])
    return {name: "test" if ids[0] in chosen else "train" for ids in order for name in ids}


def _same_words(documents: Sequence[Document]) -> list[list[str]]:
    """Ids of documents with the same words, in order of their ids."""
    by_words: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        by_words[fold(document.text)].append(document.id)
    return sorted(sorted(ids) for ids in by_words.values())
