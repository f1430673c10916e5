"""Documents on four subjects, and embeddings that need no model: a text's vector counts its letters' pairs."""

from __future__ import annotations

import hashlib
import threading

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from domainkit.corpus.document import Document

TEXTS = {
    "card": ("Lost card", "Freeze the card in the app, then order a new card."),
    "rent": ("Rent", "The rent is due on the first day of the month."),
    "tax": ("Tax", "The tax office sends the bill for the tax in the spring of the year."),
    "cat": ("Cats", "The cat sleeps on the warm stove all day."),
}


class PairEmbeddings(Embeddings):
    """384 counts of hashed letter pairs; `asked` lists the batches it was given, `name` is its identity."""

    def __init__(self, name: str = "pairs") -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self._lock = threading.Lock()

    def identity(self) -> str:
        return self.name

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            self.asked.append(list(texts))
        return [self._vector(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    def _vector(self, text: str) -> list[float]:
        counts = np.zeros(384)
        for pair in zip(text.lower(), text.lower()[1:], strict=False):
            counts[int.from_bytes(hashlib.sha256("".join(pair).encode()).digest()[:4]) % 384] += 1
        return counts.tolist()


@pytest.fixture
def embeddings() -> PairEmbeddings:
    return PairEmbeddings()


@pytest.fixture
def documents() -> tuple[Document, ...]:
    return tuple(Document(id=i, title=t, text=x, source=f"docs/{i}.txt") for i, (t, x) in TEXTS.items())


@pytest.fixture(autouse=True)
def fresh_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
