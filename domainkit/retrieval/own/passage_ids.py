"""The id of a passage that another retriever found: one that the task's doc_ids name, where it has any such."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from langchain_core.documents import Document as Passage

from domainkit.corpus.chunk import document_id

KEYS = ("id", "doc_id", "source")
"""Metadata in which stores and loaders keep the document that a passage is of."""


def id_of(passage: Passage, gold: Collection[str]) -> str:
    """The passage's own id, else a number behind the document's that its metadata names, else a digest of its content.

    An id or metadata that is in `gold`, the ids that the task's questions name, goes before the others. Metadata may
    name one document in many passages: the number, from the content, tells these apart, as in `chunk`'s ids.
    """
    own = str(passage.id) if passage.id else ""
    named = [str(value) for key in KEYS if (value := passage.metadata.get(key)) not in (None, "")]
    content = f"{passage.metadata.get('title') or ''}\n{passage.page_content}"
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    if own and {own, document_id(own)} & set(gold):
        return own
    for name in named:
        for form in (name, document_id(name)):
            if form in gold:
                return _numbered(form, digest)
    if own:
        return own
    return _numbered(named[0], digest) if named else digest[:16]


def _numbered(document: str, digest: str) -> str:
    return f"{document}#{int(digest[:8], 16)}"
