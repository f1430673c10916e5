"""The id of a passage that another retriever found: one that the task's doc_ids name, where it has any such."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from langchain_core.documents import Document as Passage

from domainkit.corpus.chunk import document_id

KEYS = ("id", "doc_id", "source")
"""Metadata in which stores and loaders keep the document that a passage is of."""


def id_of(passage: Passage, gold: Collection[str]) -> str:
    """The passage's own id or that which its metadata names, and a number behind it; a digest where it has neither.

    One that is in `gold`, the ids that the task's questions name, goes before the others. A store may give many
    passages the id of their document: the number, from the content, tells these apart, and as in `chunk`'s ids it is no
    part of the document's id.
    """
    named = [passage.id, *(passage.metadata.get(key) for key in KEYS)]
    names = [str(name) for name in named if name not in (None, "")]
    forms = [form for name in names for form in (name, document_id(name)) if form in gold]
    content = f"{passage.metadata.get('title') or ''}\n{passage.page_content}"
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    if not names:
        return digest[:16]
    return f"{(forms or names)[0]}#{int(digest[:5], 16)}"
