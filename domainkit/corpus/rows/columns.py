"""Columns that a user names: `input=Question,target="Final answer"`, and which of several files they are for."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from statistics import fmean

from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.layouts import FIELDS, candidates
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.corpus.rows.source import RowSource
from domainkit.errors import ConfigError, Problem
from domainkit.messages import JsonObject
from domainkit.registry import suggestion

log = logging.getLogger("domainkit")

Columns = Mapping[str, str]
"""Our names of fields to a file's names of columns."""
LOOKED_AT = 100
"""Rows whose fields are looked at where there is no header."""
_PAIR = re.compile(r'\s*(\w+)\s*=\s*("(?:[^"]|"")*"|[^,]*?)\s*(?:,|$)')
_STAMP = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b")
_HOW = 'write input=COLUMN,target=COLUMN, with a name that has commas in double quotes: target="Answer, final"'


def parse_columns(value: object) -> dict[str, str] | None:
    """The columns of --map, which is text, or of a run file, which may be a table. Raises ConfigError."""
    if value is None:
        return None
    found = _parsed(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping) or not found or not all(isinstance(c, str) and c for c in found.values()):
        raise ConfigError(f"{value!r} names no columns", where="map", next_step=_HOW)
    for field in found:
        if field not in FIELDS:
            what = f"'{field}' is not a field that is read"
            raise ConfigError(what, where="map", next_step=suggestion(str(field), FIELDS))
    return dict(found)


def _parsed(text: str) -> dict[str, str] | None:
    columns: dict[str, str] = {}
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return None
        name = pair[2]
        columns[pair[1]] = name[1:-1].replace('""', '"') if name[:1] == name[-1:] == '"' and len(name) > 1 else name
        at = pair.end()
    return columns


def quoted(column: str) -> str:
    """A column's name as --map reads it."""
    return '"' + column.replace('"', '""') + '"' if re.search('[",]|^\\s|\\s$', column) else column


def as_map(columns: Columns) -> str:
    """The columns as --map reads them."""
    return ",".join(f"{field}={quoted(column)}" for field, column in columns.items())


def fields_of(source: RowSource) -> list[str]:
    """The columns of a table, or the fields of the first rows."""
    return list(source.columns) or list(dict.fromkeys(_first_fields(source)))


def _first_fields(source: RowSource) -> Iterator[str]:
    for item in islice(source.stream(), LOOKED_AT):
        if not isinstance(item, Problem):
            yield from item[1]


def likely_columns(columns: Sequence[str], rows: Sequence[JsonObject]) -> dict[str, str]:
    """The two columns that a reader would take for input and target: the longest text, and the labels beside it or the
    next longest text. Only a suggestion, made from the first rows."""
    texts = {c: [str(row[c]).strip() for row in rows if str(row.get(c) or "").strip()] for c in columns}
    worded = [c for c in columns if 2 * sum(map(_has_words, texts[c])) > len(texts[c])]
    longest = sorted(worded, key=lambda c: -fmean(map(len, texts[c])))
    named = [c for c in columns if 2 * sum(map(_is_name, texts[c])) > len(texts[c])]
    labels = [c for c in named if 1 < len(set(texts[c])) <= len(texts[c]) / 2]
    free = [c for c in longest if c not in labels]
    if free and labels:
        chosen = [
            free[0],
            max(labels, key=lambda c: (_NAMES_A_TARGET.search(folded(c)) is not None, len(set(texts[c])))),
        ]
    else:
        # Of two free texts the question stands first.
        chosen = sorted(longest[:2], key=list(columns).index)
    rest = (c for c in columns if c not in chosen)
    return dict(zip(("input", "target"), [*chosen, *rest], strict=False))


_NAMES_A_TARGET = re.compile(
    "label|categor|class|intent|queue|topic|type|answer|reply|response|resol|solution|target|reason"
    # The same in German, Dutch, French, Spanish, Portuguese and Italian.
    "|kategor|klasse|thema|antwort|lösung|antwoord|catégor|réponse|respuesta|resposta|risposta|soluci"
)
"""What tells a column of labels from one that merely repeats, such as who answered."""


def _has_words(text: str) -> bool:
    """Whether a cell may hold a question or an answer: not a number, a date, an id or an address."""
    return re.fullmatch(r"\S*[\d@/:_]\S*", text) is None and any(map(str.isalpha, text)) and not _STAMP.match(text)


def _is_name(text: str) -> bool:
    """Whether a cell that other rows repeat may be a label: card_arrival is no words, but a name."""
    return _has_words(text.replace("_", " "))


def columns_for(given: object, columns: Columns | None) -> Columns | None:
    """The columns, or None, with a warning, where the rows have none of them and are in a layout as they are: one of
    several files that a command reads."""
    if not columns:
        return None
    source = open_rows(given, FIELDS | {*columns.values()})
    there = [folded(name) for name in fields_of(source)]
    if any(folded(column) in there for column in columns.values()):
        return columns
    if len(candidates(frozenset(there), "examples")) != 1:
        return columns  # the error that follows names the columns
    log.warning("%s: has none of the columns of --map, and is read in its own layout; it needs no --map", source.where)
    return None


def described(columns: Columns) -> str:
    """The columns in words, for a card: "input is the column 'Question'"."""
    return ", ".join(f"{field} is the column '{column}'" for field, column in columns.items())
