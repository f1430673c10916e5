"""Plain text: the file is one document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.corpus.text_files import read_text


def read_plain_text(path: Path, name: str) -> Iterator[Document]:
    """One document without a title; none for an empty file."""
    text = read_text(path).strip()
    if text:
        yield Document(text=text, source=str(path), id=name)
