"""Questions that nobody has answered yet, and between them some that somebody has."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domainkit.corpus.example import Example
from domainkit.corpus.read_files import refuse_documents
from domainkit.corpus.rows.columns import Columns, fields_of
from domainkit.corpus.rows.examples import ExampleReader, wanted_names
from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.formats.lines import open_lines
from domainkit.corpus.rows.jsonl import RowError, raise_errors
from domainkit.corpus.rows.open_questions import NO_ANSWER, with_open_answers
from domainkit.corpus.rows.open_rows import name_of, open_rows
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import DataError, Problem
from domainkit.evaluation.read_task import sample_of, with_first_reference
from domainkit.evaluation.task import Sample
from domainkit.messages import JsonObject

log = logging.getLogger("domainkit")
LINES = ".txt"
_HOW = "name the column 'question', say --map input=COLUMN, or save a plain list as .txt with one question a line"


@dataclass(frozen=True, slots=True)
class AskedRow:
    """One row of a file of questions."""

    example: Example
    """Its last turn is NO_ANSWER where nobody has answered it."""
    sample: Sample
    """Without a target where nobody has."""

    @property
    def is_answered(self) -> bool:
        return bool(self.sample.references)


def read_questions(given: object, columns: Columns | None = None, tools: Sequence[JsonObject] = ()) -> list[AskedRow]:
    """The questions of a text file with one a line, of a list of texts, or of whatever `read_examples` reads; a row
    may leave its answer out, or empty.

    `tools` are those of rows that bring none. Raises DataError with every faulty row, and for a source without one.
    """
    source, columns = _open(given, columns)
    reader = ExampleReader(given, columns, source, tools)
    reader.unread.are_learnt = False
    rows: list[AskedRow] = []
    problems: list[Problem] = []
    stem = Path(name_of(given)).stem if isinstance(given, str | os.PathLike) else "question"
    for item in reader:
        if isinstance(item, Problem):
            problems.append(item)
            continue
        try:
            example = with_first_reference(item.example, item.row)
            rows.append(AskedRow(example, sample_of(example, item.row, default_id=f"{stem}-{item.number}")))
        except RowError as e:
            problems.append(item.example.problem(e.what, e.next_step))
    raise_errors(sorted(problems, key=lambda p: p.line or 0))
    return rows


def _open(given: object, columns: Columns | None) -> tuple[RowSource, Columns | None]:
    """The rows, and those of the columns that are meant for them."""
    if isinstance(given, str | os.PathLike) and Path(given).suffix.lower() == LINES and Path(given).is_file():
        return with_open_answers(open_lines(Path(given)), {}), None
    if isinstance(given, Sequence) and not isinstance(given, str) and given and all(isinstance(q, str) for q in given):
        given = [{"input": question} for question in given]
    refuse_documents(given)
    source = open_rows(given, wanted_names(columns))
    columns = _columns_of(source, columns)
    opened = with_open_answers(source, columns or {})
    if len(source.columns) == 1 and not columns and source.columns == opened.columns:
        what = f"has one column, '{source.columns[0]}', which is no name of a question"
        raise DataError([Problem(source.where, None, what, _HOW)])
    return opened, columns


def _columns_of(source: RowSource, columns: Columns | None) -> Columns | None:
    """None, with a warning, where the rows have none of the columns: these are another file's."""
    there = {folded(name) for name in fields_of(source)} if columns else set()
    if not columns or not there or any(folded(column) in there for column in columns.values()):
        return columns
    log.warning("%s: has none of the columns of --map, and is read in its own layout; it needs no --map", source.where)
    return None


__all__ = ["NO_ANSWER", "AskedRow", "read_questions"]
