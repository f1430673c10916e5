"""Which documents the training rows come from, and which the test rows: no document serves both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from domainkit.corpus.document import Document
from domainkit.errors import ConfigError
from domainkit.splitting.clusters import Clusters, near_duplicates
from domainkit.text.words import fold

Side = Literal["train", "test"]
COMPARED = 5_000_000
"""Letters of all documents together that are compared for near copies: a minute, about."""
_TOLERATED = 1.5
"""How much larger than its share the test side may become by its first document."""


def sides_of(documents: Sequence[Document], sizes: dict[str, int], test_share: float, seed: int) -> dict[str, Side]:
    """Each document's side, by id. `sizes` are the documents' sections: the test side gets about its share of them.

    Documents that are copies of each other, or nearly, stay together (`near_duplicates`). The choice depends on the
    seed, the ids and the texts, not on the order.
    Raises ConfigError where fewer than two different documents are there for two sides.
    """
    if test_share in (0.0, 1.0):
        return {d.id: "test" if test_share else "train" for d in documents}
    groups = _alike(documents)
    if len(groups) < 2:
        raise ConfigError(
            "there is only one document with text, or copies of it: test rows cannot come from a document that no "
            "training row saw",
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


def _alike(documents: Sequence[Document]) -> list[list[str]]:
    """Ids of documents that are copies of each other, or nearly, in order of their ids."""
    documents = sorted(documents, key=lambda d: d.id)
    texts = [d.text for d in documents]
    if is_large(documents):
        clusters = Clusters(len(texts))
        clusters.join_equal((i, fold(text)) for i, text in enumerate(texts))
    else:
        clusters = near_duplicates(texts)
    return [[documents[i].id for i in members] for members in clusters.members()]


def is_large(documents: Sequence[Document]) -> bool:
    """Whether the documents are too long to be compared with each other for all but equal words."""
    return sum(len(d.text) for d in documents) > COMPARED
