"""Read rows, examples and documents from files. Each function reads everything before it returns, so one error lists
all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from domainkit.corpus.document import Document
from domainkit.corpus.document_files import scan_documents
from domainkit.corpus.example import Example
from domainkit.corpus.kinds import RowKind, corpus_instead, documents_instead, kind_of
from domainkit.corpus.preferences import Marked, Pair, marked_reader, pair_reader
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.examples import ExampleReader, scan_examples, wanted_names
from domainkit.corpus.rows.jsonl import NumberedRow, raise_errors
from domainkit.corpus.rows.open_rows import RowsGiven, open_rows
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject

GOOD, BAD = "good", "bad"


class ReadRows(NamedTuple):
    """Rows of one kind."""

    kind: RowKind
    examples: list[Example]
    """What each row asks and answers; of a pair the better answer."""
    rows: list[JsonObject]
    """As they came, with all their fields."""
    marks: list[str]
    """What each row says beside: of a pair the worse answer, of a marked answer GOOD or BAD; empty for examples."""
    ready: Callable[[JsonObject], JsonObject]
    """A row as JSON Lines hold it: read from there without columns, it is the same."""


def read_rows(path: object) -> Iterator[NumberedRow]:
    """(line or row from 1, object) for each row of a file, a folder of `save_to_disk`, a data set of the hub
    (`hf:owner/name`), a `datasets.Dataset` or a list of dicts. `domainkit.corpus.rows` has the formats.

    Raises DataError, at the call, that lists every malformed row.
    """
    rows, problems = open_rows(path, wanted_names(None)).all()
    raise_errors(problems)
    return iter(rows)


def read_examples(path: object, columns: Columns | None = None, *, tools: Sequence[JsonObject] = ()) -> list[Example]:
    """The examples of whatever `read_rows` reads; the layouts are those of `domainkit.corpus.rows.layouts`.

    `columns` says what our fields are called in a file in no such layout: {"input": "Question", "target": "Answer"}.
    `tools` are those of rows that bring none. Raises DataError that lists every faulty row. Fields that are not read
    are a warning in the log.
    """
    refuse_documents(path)
    examples, problems = scan_examples(path, columns, tools)
    _raise_errors(path, problems)
    return examples


def examples_of(
    given: Sequence[Example] | RowsGiven, columns: Columns | None = None, *, tools: Sequence[JsonObject] = ()
) -> list[Example]:
    """Examples as they are; anything else is read by `read_examples`."""
    if isinstance(given, Sequence) and not isinstance(given, str):
        examples = [one for one in given if isinstance(one, Example)]
        if len(examples) == len(given):
            return examples
    return read_examples(given, columns, tools=tools)


def read_with_rows(path: object, columns: Columns | None = None) -> ReadRows:
    """The examples, pairs or marked answers of whatever `read_rows` reads, each with the row it was read from.

    Raises DataError as `read_examples` does.
    """
    refuse_documents(path)
    source = open_rows(path, wanted_names(columns))
    kind = kind_of(source, columns)
    if kind != "examples":
        return _preferences(path, columns, source, kind)
    reader = ExampleReader(path, columns, source)
    items = list(reader)
    _raise_errors(path, sorted((i for i in items if isinstance(i, Problem)), key=lambda p: p.line or 0))
    rows = [item for item in items if not isinstance(item, Problem)]
    return ReadRows(kind, [item.example for item in rows], [item.fields for item in rows], [], reader.layout.ready)


def ready_rows(path: object, columns: Columns | None = None) -> list[JsonObject]:
    """The rows of whatever `read_rows` reads, as JSON Lines hold them: read from there without columns, they are the
    same. They may be questions without answers; one that cannot be read stays as it is.

    Raises DataError as `read_rows` does.
    """
    source = open_rows(path, wanted_names(columns))
    rows, problems = source.all()
    raise_errors(problems)
    return ExampleReader(path, columns, source, open_questions=True).ready(row for _, row in rows)


def _preferences(path: object, columns: Columns | None, source: RowSource, kind: RowKind) -> ReadRows:
    reader = pair_reader(path, columns, source) if kind == "pairs" else marked_reader(path, columns, source)
    read, problems = ReadRows(kind, [], [], [], reader.layout.ready), []
    for item in reader.with_fields():
        if isinstance(item, Problem):
            problems.append(item)
            continue
        parsed, fields = item
        example, mark = _parts(parsed)
        read.examples.append(example)
        read.rows.append(fields)
        read.marks.append(mark)
    raise_errors(sorted(problems, key=lambda p: p.line or 0))
    return read


def _parts(row: Pair | Marked) -> tuple[Example, str]:
    if isinstance(row, Pair):
        return row.chosen, row.rejected.target
    return row.example, GOOD if row.good else BAD


def refuse_documents(path: object) -> None:
    """Raises DataError for documents where rows are meant."""
    if problem := documents_instead(path):
        raise DataError([problem])


def _raise_errors(path: object, problems: Sequence[Problem]) -> None:
    """`raise_errors`; a corpus is one error, not one a line."""
    if any(p.severity == "error" for p in problems):
        corpus = corpus_instead(path, open_rows(path, wanted_names(None)))
        raise_errors([corpus] if corpus else problems)
    raise_errors(problems)


def read_documents(path: str | Path) -> Iterator[Document]:
    """The documents of a file, or of all files under a folder, in order of their names. `READERS` has the formats.

    Raises DataError, at the call, that lists every unreadable file, faulty row and repeated id. Hidden files, other
    formats and links that leave the folder are left out, with a warning for those that are not hidden.
    """
    documents, problems = scan_documents(Path(path))
    raise_errors(problems)
    return iter(documents)
