"""build_retriever: documents, a file or a folder to a retriever whose index is built."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from domainkit.corpus.chunk import CHUNK_WORDS, chunk
from domainkit.corpus.document import Document
from domainkit.corpus.read_files import read_documents
from domainkit.errors import ConfigError
from domainkit.retrieval import RETRIEVERS
from domainkit.retrieval.long_embedding import HOURS, EmbeddingProgress
from domainkit.retrieval.passages import PassageRetriever


def build_retriever(
    documents: Iterable[Document] | str | Path,
    kind: str = "fused",
    k: int = 4,
    cache: bool = True,
    *,
    embeddings: Embeddings | None = None,
    chunk_words: int | None = CHUNK_WORDS,
    embed_hours: float = HOURS,
    on_progress: EmbeddingProgress | None = None,
) -> PassageRetriever:
    """A retriever of `kind`: lexical, dense, fused, or one that another package adds. With `cache` its index is kept
    between runs.

    A document of more than `chunk_words` words becomes passages `id#1`, `id#2`, … whose metadata names the document as
    `parent`. None leaves documents whole: an encoder then reads only the start of a long one. `embeddings` replaces
    MiniLM. Raises ConfigError for an unknown kind or k < 1, DataError for faulty documents, MachineError when MiniLM is
    not installed, or when embedding the passages would take more than `embed_hours`. `on_progress` is called with
    ("embedding", passages done, passages in all); what an interrupted run embedded is not embedded again.
    """
    retriever_class = RETRIEVERS.load(kind)
    if k < 1:
        raise ConfigError(f"k={k}: at least one passage is needed", next_step="k=4 is the default")
    if isinstance(documents, str | Path):
        documents = read_documents(documents)
    passages = list(documents) if chunk_words is None else chunk(documents, chunk_words, overlap=chunk_words // 8)
    options: dict[str, Any] = {"documents": tuple(passages), "k": k, "cache": cache}
    if embeddings is not None:
        if "embeddings" not in retriever_class.model_fields:
            what = f"embeddings are given, and the retriever '{kind}' uses none"
            raise ConfigError(what, next_step="leave them out, or use kind='dense' or 'fused'")
        options["embeddings"] = embeddings
    if "embed_hours" in retriever_class.model_fields:
        options |= {"embed_hours": embed_hours, "on_progress": on_progress}
    retriever = retriever_class(**options)
    retriever.prepare([])
    return retriever
