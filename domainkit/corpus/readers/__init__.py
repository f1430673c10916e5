"""Document formats: one file per format, one line each.

A reader takes (file, name) and yields the file's documents. `name` is the relative path without its suffix: it is the
id of a file that is one document, and the start of the ids of a file that holds many. A reader raises DataError for
what it cannot read. Another package adds a format with an entry point of the group `domainkit.readers`, whose name is
the suffix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.registry import Table

Reader = Callable[[Path, str], Iterator[Document]]

READERS = Table[Reader](
    "document format",
    {
        ".jsonl": "domainkit.corpus.readers.jsonl:read_jsonl",
        ".md": "domainkit.corpus.readers.markdown:read_markdown",
        ".txt": "domainkit.corpus.readers.text:read_plain_text",
    },
    group="domainkit.readers",
)


def formats() -> str:
    """The suffixes that can be read, for messages and help: ".jsonl, .md, .txt"."""
    return ", ".join(sorted(READERS))
