"""Of which kind data are: examples, pairs of answers, marked answers, or documents."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Literal

from domainkit.corpus.readers import READERS
from domainkit.corpus.rows import ROW_FORMATS
from domainkit.corpus.rows.columns import Columns
from domainkit.corpus.rows.examples import looks_like_examples
from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.formats.hub import PREFIX
from domainkit.corpus.rows.jsonl import NumberedRow
from domainkit.corpus.rows.layouts import COMMON, LAYOUTS, MARKED, PAIRS, candidates
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import Problem
from domainkit.storage import open_plain

LOOKED_AT = 10_000
"""Rows that decide of which kind a file is."""
ANSWERS = ("completion", "answer")
"""Fields of a marked answer that may hold it."""
RowKind = Literal["examples", "pairs", "marked answers"]
Kind = Literal["examples", "documents", "pairs", "marked answers"]
_ROWS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*\{)")
"""How a text begins that holds rows of JSON, whatever its name."""
_INSTEAD = "`domainkit make` writes rows from documents; --corpus lets a model look things up in them"


def kind_of(source: RowSource, columns: Columns | None) -> RowKind:
    """What most of the first rows are. Columns that are mapped count for the kinds whose layouts have their fields."""
    needed = frozenset(columns or ()) - frozenset(COMMON)
    possible = {one.kind for one in LAYOUTS if needed <= {*one.fields, *one.optional}}
    names = {column: field for field, column in (columns or {}).items()}
    rows = [{names.get(n, folded(n)): v for n, v in row.items()} for _, row in _first_rows(source)]
    pairs = ({"chosen", "rejected"}, {"preferred_output", "non_preferred_output"})
    if PAIRS in possible and 2 * sum(any(row.keys() & both for both in pairs) for row in rows) > len(rows):
        return "pairs"
    marks = [_is_mark(row.get("label")) and any(name in row for name in ANSWERS) for row in rows]
    if MARKED in possible and 2 * sum(marks) > len(rows):
        return "marked answers"
    return "examples"


def _is_mark(label: object) -> bool:
    return isinstance(label, bool) or (isinstance(label, str) and label.strip().lower() in ("true", "false"))


def is_text(path: Path) -> bool:
    """Files and folders that hold documents only."""
    from domainkit.corpus.rows.formats.arrow import is_saved

    if os.path.isdir(path):
        return not is_saved(path)
    return path.suffix.lower() in set(READERS) - set(ROW_FORMATS)


def holds_documents(path: Path, source: RowSource, columns: Columns | None) -> bool:
    """Whether a file whose format holds both holds documents: JSON Lines with texts, a workbook without our columns."""
    suffix = path.suffix.lower()
    if columns or suffix not in READERS or not os.path.isfile(path):
        return False
    if source.columns or suffix != ".jsonl":
        return not candidates(_names(source), "examples") and not candidates(_names(source), "pairs")
    return not looks_like_examples(_first_rows(source))


def _names(source: RowSource) -> frozenset[str]:
    return frozenset((*source.columns, *map(folded, source.columns)))


def _first_rows(source: RowSource) -> list[NumberedRow]:
    return [item for item in islice(source.stream(), LOOKED_AT) if not isinstance(item, Problem)]


def documents_instead(given: object) -> Problem | None:
    """The problem of documents where rows are meant, as far as names and first bytes tell."""
    if not isinstance(given, str | os.PathLike) or str(given).startswith(PREFIX):
        return None
    path = Path(given)
    if os.path.isdir(path):
        if is_text(path) and (first := _first_file(path, set(READERS) - set(ROW_FORMATS))):
            what = f"is a folder of documents, such as {first}, not rows with questions and answers"
            return Problem(str(path), None, what, _INSTEAD)
        return None
    if is_text(path) and os.path.isfile(path) and not _begins_as_rows(path):
        return Problem(str(path), None, "is a document, not rows with questions and answers", _INSTEAD)
    return None


def corpus_instead(given: object, source: RowSource) -> Problem | None:
    """The problem of documents in JSON Lines where rows are meant, once these could not be read as rows."""
    if not isinstance(given, str | os.PathLike) or Path(given).suffix.lower() != ".jsonl":
        return None
    if not holds_documents(Path(given), source, None):
        return None
    return Problem(str(given), None, "holds documents, not rows with questions and answers", _INSTEAD)


def rows_in(path: Path) -> str:
    """The name of a file under a folder that can only hold rows; "" where there is none."""
    return _first_file(path, set(ROW_FORMATS) - set(READERS)) if os.path.isdir(path) else ""


def _first_file(folder: Path, suffixes: Collection[str]) -> str:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                return (Path(parent) / name).relative_to(folder).as_posix()
    return ""


def _begins_as_rows(path: Path) -> bool:
    try:
        with open_plain(path) as file:
            return _ROWS.match(file.read(400)) is not None
    except OSError:
        return True  # the reader of rows says why it cannot be read
