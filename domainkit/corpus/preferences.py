"""Rows that say which answer is better. Two forms are read:

    {"prompt": text or messages, "chosen": text or messages, "rejected": text or messages}
    {"prompt": text or messages, "completion": text or messages, "label": true or false}     # true: a good answer

Other tools' layouts become these (`domainkit.corpus.rows.layouts`). A row may have a "system" turn and an "id".
Messages of "chosen" and "rejected" may hold the whole conversation: what both begin with is the prompt, and one that
"prompt" holds too counts once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.kinds import ANSWERS, documents_instead
from domainkit.corpus.rows.examples import wanted_names
from domainkit.corpus.rows.jsonl import NumberedRow, RowError, json_type, raise_errors
from domainkit.corpus.rows.layouts.preferences import one_turn, with_prompt
from domainkit.corpus.rows.open_rows import open_rows
from domainkit.corpus.rows.reading import Columns, LayoutReader, missing_fields
from domainkit.corpus.rows.source import RowSource
from domainkit.corpus.rows.turns import Place, answered
from domainkit.corpus.rows.unread_fields import UnreadFields
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject

PROMPT = ("prompt", "input")
PAIR = '{"prompt": ..., "chosen": ..., "rejected": ...}'
MARKED = '{"prompt": ..., "completion": ..., "label": true or false}'


class Pair(BaseModel):
    """Two answers to one prompt; `chosen` is the better one."""

    model_config = ConfigDict(frozen=True)

    chosen: Example
    rejected: Example


class Marked(BaseModel):
    """An answer that is marked good or bad."""

    model_config = ConfigDict(frozen=True)

    example: Example
    good: bool


R = TypeVar("R", Pair, Marked)


class _Form(NamedTuple, Generic[R]):
    """One of the two forms."""

    kind: str
    shape: str
    parse: Callable[[JsonObject, Place], R]
    fields: tuple[str, ...]


def read_pairs(path: object, columns: Columns | None = None) -> list[Pair]:
    """The pairs of a file, a data set or a list of dicts. `columns`: our fields to the file's columns.

    Raises DataError that lists every faulty row."""
    return _read(path, PreferenceReader(path, _PAIRS, columns))


def read_marked(path: object, columns: Columns | None = None) -> list[Marked]:
    """The marked answers of a file, a data set or a list of dicts. `columns`: our fields to the file's columns.

    Raises DataError that lists every faulty row, or when all are marked alike."""
    reader = PreferenceReader(path, _MARKED, columns)
    rows = _read(path, reader)
    if len({row.good for row in rows}) < 2:
        what = f"every answer is marked {'true' if rows[0].good else 'false'}, so good and bad cannot be compared"
        raise DataError([reader.source.problem(None, what, "add rows of the other kind")])
    return rows


def _read(path: object, reader: PreferenceReader[R]) -> list[R]:
    if problem := documents_instead(path):
        raise DataError([problem])
    rows: list[R] = []
    problems: list[Problem] = []
    for item in reader:
        if isinstance(item, Problem):
            problems.append(item)
        else:
            rows.append(item)
    raise_errors(sorted(problems, key=lambda p: p.line or 0))
    return rows


class PreferenceReader(Generic[R]):
    """Reads the pairs or marked answers of a source, and knows afterwards what it understood and what it left out."""

    def __init__(
        self, given: object, form: _Form[R], columns: Columns | None = None, source: RowSource | None = None
    ) -> None:
        self.source = source or open_rows(given, wanted_names(columns))
        self.layout = LayoutReader(self.source, form.kind, columns)
        self.unread = UnreadFields()
        self.form: _Form[R] = form

    def __iter__(self) -> Iterator[R | Problem]:
        """Each row or its problem; then the problems of the source as a whole."""
        return (item if isinstance(item, Problem) else item[0] for item in self.with_fields())

    def with_fields(self) -> Iterator[tuple[R, JsonObject] | Problem]:
        """The same, each row with its fields as the source has them."""
        rows = 0
        for item in self.source.stream() if not self.layout.problems else ():
            rows += 1
            if isinstance(item, Problem):
                yield item
                continue
            parsed = self._row(item)
            yield parsed if isinstance(parsed, Problem) else (parsed, item[1])
        yield from self.source.problems
        yield from self.layout.problems
        yield from self.unread.problems(self.source)
        if not rows and not self.source.problems and not self.layout.problems:
            yield self.source.no_rows(self.form.shape, ",".join(self.form.fields))

    def _row(self, item: NumberedRow) -> R | Problem:
        number, fields = item
        try:
            row = self.layout.native(fields, number)
            parsed = self.form.parse(row, Place(self.source.place(number), number, self.source.unit))
        except RowError as e:
            return self.source.problem(number, e.what, e.next_step)
        self.unread.add(row, number, self.form.fields)
        return parsed


def pair_reader(
    given: object, columns: Columns | None = None, source: RowSource | None = None
) -> PreferenceReader[Pair]:
    """The pairs of a source, one at a time."""
    return PreferenceReader(given, _PAIRS, columns, source)


def marked_reader(
    given: object, columns: Columns | None = None, source: RowSource | None = None
) -> PreferenceReader[Marked]:
    """The marked answers of a source, one at a time."""
    return PreferenceReader(given, _MARKED, columns, source)


def missing_preference(row: Mapping[str, object], kind: str) -> RowError:
    """The refusal of a row that has no layout of its kind; it names the field to rename."""
    pairs = kind == "pairs"
    spellings = (PROMPT, ("chosen",), ("rejected",)) if pairs else (PROMPT, ANSWERS, ("label",))
    names_in_row = [next((name for name in names if name in row), None) for names in spellings]
    missing = [names[0] for names, name in zip(spellings, names_in_row, strict=True) if name is None]
    others = [f for f in row if f not in names_in_row]
    renamed = {m: next(iter(difflib.get_close_matches(m, others, n=1)), None) for m in missing}
    return missing_fields(row, [n[0] for n in spellings], renamed, f"a row is {PAIR if pairs else MARKED}")


def _pair(row: JsonObject, place: Place) -> Pair:
    row = with_prompt({**row, "chosen": one_turn(row["chosen"]), "rejected": one_turn(row["rejected"])})
    if "prompt" not in row:
        raise missing_preference(row, "pairs")
    row = {**row, "prompt": one_turn(row["prompt"])}
    chosen, rejected = (answered(row, "prompt", field, place) for field in ("chosen", "rejected"))
    if chosen.turns == rejected.turns:
        raise RowError("'chosen' and 'rejected' are the same, so there is nothing to prefer", "drop the row")
    if chosen.prompt != rejected.prompt:
        what = "'chosen' and 'rejected' hold different turns before the last one"
        raise RowError(what, "put the turns that both answer into 'prompt'")
    return Pair(chosen=chosen, rejected=rejected)


def _marked(row: JsonObject, place: Place) -> Marked:
    label = _TRUTH.get(row["label"].strip().lower(), row["label"]) if isinstance(row["label"], str) else row["label"]
    if not isinstance(label, bool):
        raise RowError(
            f"'label' is {json_type(label)}, not true or false", "write true for a good answer and false for a bad one"
        )
    row = {**row, "prompt": one_turn(row["prompt"]), "completion": one_turn(row["completion"])}
    return Marked(example=answered(row, "prompt", "completion", place), good=label)


_TRUTH = {"true": True, "false": False}
"""What a cell of a table says."""
_PAIRS = _Form("pairs", PAIR, _pair, ("prompt", "chosen", "rejected"))
_MARKED = _Form("marked answers", MARKED, _marked, ("prompt", "completion", "label"))

__all__ = ["Marked", "Pair", "read_marked", "read_pairs"]
