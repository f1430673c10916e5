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
        ".docm": "domainkit.corpus.readers.docx:read_docx",
        ".docx": "domainkit.corpus.readers.docx:read_docx",
        ".eml": "domainkit.corpus.readers.mail:read_mail",
        ".epub": "domainkit.corpus.readers.epub:read_epub",
        ".htm": "domainkit.corpus.readers.html:read_html",
        ".html": "domainkit.corpus.readers.html:read_html",
        ".jsonl": "domainkit.corpus.readers.jsonl:read_jsonl",
        ".md": "domainkit.corpus.readers.markdown:read_markdown",
        ".msg": "domainkit.corpus.readers.outlook:read_outlook",
        ".ods": "domainkit.corpus.readers.workbook:read_workbook",
        ".pdf": "domainkit.corpus.readers.pdf.read:read_pdf",
        ".pptm": "domainkit.corpus.readers.pptx:read_pptx",
        ".pptx": "domainkit.corpus.readers.pptx:read_pptx",
        ".txt": "domainkit.corpus.readers.text:read_plain_text",
        ".xhtml": "domainkit.corpus.readers.html:read_html",
        ".xls": "domainkit.corpus.readers.workbook:read_workbook",
        ".xlsm": "domainkit.corpus.readers.workbook:read_workbook",
        ".xlsx": "domainkit.corpus.readers.workbook:read_workbook",
    },
    group="domainkit.readers",
)

PLAIN = frozenset((".jsonl", ".md", ".txt"))
"""Formats that are text as they stand: read in this process, without any library."""


def is_sandboxed(suffix: str) -> bool:
    """Whether files of this format are read in a process of their own (`domainkit.corpus.sandbox`): every format that
    a library parses. The readers of other packages run in this process."""
    return suffix not in PLAIN and READERS[suffix].startswith("domainkit.")


def formats() -> str:
    """The suffixes that can be read, for messages and help: ".jsonl, .md, .txt"."""
    return ", ".join(sorted(READERS))
