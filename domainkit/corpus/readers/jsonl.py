"""JSON Lines: each row {"text", "title"?, "id"?, "marks"?} is a document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from domainkit.corpus.document import Document, Mark
from domainkit.corpus.reading import report
from domainkit.corpus.rows.jsonl import RowError, json_type, parse_id, scan_rows
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject

_OTHER_NAMES = ("Text", "content", "contents", "body", "passage", "page_content")
"""What other tools call the field "text"."""


def read_jsonl(path: Path, name: str) -> Iterator[Document]:
    """One document per row; other fields become `meta`, and a row without an id is `name:line`.

    Raises DataError that lists every faulty row.
    """
    rows, problems = scan_rows(path)
    documents: list[Document] = []
    for line, row in rows:
        try:
            documents.append(_document(row, path, line, name))
        except RowError as e:
            problems.append(Problem(str(path), line, e.what, e.next_step))
    if errors := [p for p in problems if p.severity == "error"]:
        raise DataError(sorted(errors, key=lambda p: p.line or 0))
    for problem in problems:
        report(problem)
    yield from documents


def _document(row: JsonObject, path: Path, line: int, name: str) -> Document:
    _check_text(row)
    marks = _marks(row)
    own_fields = ("id", "title", "text", "marks") if marks else ("id", "title", "text")
    return Document(
        text=row["text"],
        title=row.get("title") or "",
        id=parse_id(row.get("id")) or f"{name}:{line}",
        marks=marks,
        meta={k: v for k, v in row.items() if k not in own_fields},
        source=f"{path}:{line}",
        line=line,
    )


def _marks(row: JsonObject) -> tuple[Mark, ...]:
    """The pages and headings that `domainkit ingest` wrote; a field of this name that is another tool's is none."""
    marks = row.get("marks")
    if not isinstance(marks, list) or not marks or not all(isinstance(m, dict) and "start" in m for m in marks):
        return ()
    try:
        found = tuple(Mark.model_validate(m) for m in marks)
    except ValidationError as e:
        raise RowError(
            f"'marks' is damaged: {e.errors()[0]['msg'].lower()}", "write the row again, or drop it"
        ) from None
    starts = [mark.start for mark in found]
    if starts != sorted(starts) or not 0 <= starts[0] <= starts[-1] <= len(row["text"]):
        raise RowError("'marks' do not fit the text", "write the row again, or drop the field") from None
    return found


def _check_text(row: JsonObject) -> None:
    if "text" not in row:
        other = next((f for f in _OTHER_NAMES if f in row), None)
        fields = ", ".join(f"'{f}'" for f in row) or "none"
        next_step = f"rename '{other}' to 'text'" if other else 'a document is {"id": ..., "title": ..., "text": ...}'
        raise RowError(f"missing field 'text' (found: {fields})", next_step)
    for field in ("text", "title"):
        value = row.get(field)
        if not isinstance(value, str) and not (field == "title" and value is None):
            raise RowError(f"'{field}' is {json_type(value)}, not text", "write it as a string")
    if not row["text"].strip():
        raise RowError("'text' is empty", "fill it in, or delete the row")
