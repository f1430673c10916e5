"""Read rows, examples and documents from files. Each function reads everything before it returns, so one error lists
all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from domainkit.corpus.document import Document
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.example import Example
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.examples import ExampleReader, scan_examples, wanted_names
from domainkit.corpus.rows.jsonl import NumberedRow, raise_errors
from domainkit.corpus.rows.open_rows import RowsGiven, open_rows
from domainkit.errors import Problem
from domainkit.messages import JsonObject


def read_rows(path: object) -> Iterator[NumberedRow]:
    """(line or row from 1, object) for each row of a file, a folder of `save_to_disk`, a data set of the hub
    (`hf:owner/name`), a `datasets.Dataset` or a list of dicts. `domainkit.corpus.rows` has the formats.

    Raises DataError, at the call, that lists every malformed row.
    """
    rows, problems = open_rows(path, wanted_names(None)).all()
    raise_errors(problems)
    return iter(rows)


def read_examples(path: object, columns: Columns | None = None) -> list[Example]:
    """The examples of whatever `read_rows` reads; the layouts are those of `domainkit.corpus.rows.layouts`.

    `columns` says what our fields are called in a file in no such layout: {"input": "Question", "target": "Answer"}.
    Raises DataError that lists every faulty row. Fields that are not read are a warning in the log.
    """
    examples, problems = scan_examples(path, columns)
    raise_errors(problems)
    return examples


def examples_of(given: Sequence[Example] | RowsGiven, columns: Columns | None = None) -> list[Example]:
    """Examples as they are; anything else is read by `read_examples`."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        examples = [one for one in given if isinstance(one, Example)]
        if len(examples) == len(given):
            return examples
    return read_examples(given, columns)


def read_with_rows(path: object, columns: Columns | None = None) -> tuple[list[Example], list[JsonObject]]:
    """The examples of whatever `read_rows` reads, and for each the row it was read from, with all its fields.

    Raises DataError as `read_examples` does.
    """
    items = list(ExampleReader(path, columns))
    raise_errors(sorted((i for i in items if isinstance(i, Problem)), key=lambda p: p.line or 0))
    rows = [item for item in items if not isinstance(item, Problem)]
    return [item.example for item in rows], [item.fields for item in rows]


def read_documents(path: str | Path) -> Iterator[Document]:
    """The documents of a file, or of all files under a folder, in order of their names. `READERS` has the formats.

    Raises DataError, at the call, that lists every unreadable file, faulty row and repeated id. Hidden files, other
    formats and links that leave the folder are left out, with a warning for those that are not hidden.
    """
    documents, problems = scan_documents(Path(path))
    raise_errors(problems)
    return iter(documents)
