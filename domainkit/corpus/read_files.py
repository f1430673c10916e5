"""Read rows, examples and documents from files. Each function reads everything before it returns, so one error lists
all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.example import Example
from domainkit.corpus.rows.jsonl import NumberedRow, raise_errors, scan_rows
from domainkit.corpus.rows.layouts import scan_examples
from domainkit.messages import JsonObject


def read_rows(path: str | Path) -> Iterator[NumberedRow]:
    """(line number from 1, object) for each line of a JSON Lines file in UTF-8; blank lines are skipped.

    Raises DataError, at the call, that lists every malformed line.
    """
    rows, problems = scan_rows(Path(path))
    raise_errors(problems)
    return iter(rows)


def read_examples(path: str | Path) -> list[Example]:
    """The examples of a JSON Lines file; the layouts are those of `domainkit.corpus.rows.layouts`.

    Raises DataError that lists every faulty row. Fields that are not read are a warning in the log.
    """
    examples, problems = scan_examples(Path(path))
    raise_errors(problems)
    return examples


def read_with_rows(path: str | Path) -> tuple[list[Example], list[JsonObject]]:
    """The examples of a file, and for each the row it was read from, with all its fields. Raises DataError as
    `read_examples` does."""
    scanned = scan_rows(Path(path))
    examples, problems = scan_examples(Path(path), scanned)
    raise_errors(problems)
    rows = dict(scanned[0])
    return examples, [rows[e.line] for e in examples if e.line is not None]


def read_documents(path: str | Path) -> Iterator[Document]:
    """The documents of a file, or of all files under a folder, in order of their names. `READERS` has the formats.

    Raises DataError, at the call, that lists every unreadable file, faulty row and repeated id. Hidden files, other
    formats and links that leave the folder are left out, with a warning for those that are not hidden.
    """
    documents, problems = scan_documents(Path(path))
    raise_errors(problems)
    return iter(documents)
