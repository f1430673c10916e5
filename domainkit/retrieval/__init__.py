"""Passages for a question: lexical (BM25), dense (MiniLM) and fused retrievers, and the nearest solved examples.

Names are imported on first use: importing this package loads neither LangChain nor a model.
Another package adds a retriever with an entry point of the group `domainkit.retrievers`, a subclass of
`PassageRetriever`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.retrieval.build import build_retriever
    from domainkit.retrieval.dense import DenseRetriever
    from domainkit.retrieval.embeddings import MiniLMEmbeddings
    from domainkit.retrieval.fused import FusedRetriever
    from domainkit.retrieval.gold import GoldRetriever
    from domainkit.retrieval.lexical.retriever import LexicalRetriever
    from domainkit.retrieval.nearest import NearestExamples, nearest_examples
    from domainkit.retrieval.passages import PassageRetriever
    from domainkit.retrieval.training_passages import training_passages

RETRIEVERS = Table["type[PassageRetriever]"](
    "retriever",
    {
        "dense": "domainkit.retrieval.dense:DenseRetriever",
        "fused": "domainkit.retrieval.fused:FusedRetriever",
        "lexical": "domainkit.retrieval.lexical.retriever:LexicalRetriever",
    },
    group="domainkit.retrievers",
)

_PUBLIC = {
    "DenseRetriever": "domainkit.retrieval.dense",
    "FusedRetriever": "domainkit.retrieval.fused",
    "GoldRetriever": "domainkit.retrieval.gold",
    "LexicalRetriever": "domainkit.retrieval.lexical.retriever",
    "MiniLMEmbeddings": "domainkit.retrieval.embeddings",
    "NearestExamples": "domainkit.retrieval.nearest",
    "PassageRetriever": "domainkit.retrieval.passages",
    "build_retriever": "domainkit.retrieval.build",
    "nearest_examples": "domainkit.retrieval.nearest",
    "training_passages": "domainkit.retrieval.training_passages",
}

__all__ = [
    "RETRIEVERS",
    "DenseRetriever",
    "FusedRetriever",
    "GoldRetriever",
    "LexicalRetriever",
    "MiniLMEmbeddings",
    "NearestExamples",
    "PassageRetriever",
    "build_retriever",
    "nearest_examples",
    "training_passages",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'domainkit.retrieval' has no attribute '{name}'")
