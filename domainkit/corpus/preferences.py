"""Rows that say which answer is better. Two layouts are read:

    {"prompt": text or messages, "chosen": text or messages, "rejected": text or messages}
    {"prompt": text or messages, "completion": text or messages, "label": true or false}     # true: a good answer

"input" may stand for "prompt" and "answer" for "completion"; a row may have a "system" turn and an "id".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.example_layouts import answered
from domainkit.corpus.jsonl_rows import RowError, json_type, scan_rows
from domainkit.errors import DataError, Problem
from domainkit.messages import JsonObject

PROMPT, COMPLETION = ("prompt", "input"), ("completion", "answer")
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


def read_pairs(path: str | Path) -> list[Pair]:
    """The pairs of a JSON Lines file. Raises DataError that lists every faulty row."""
    return _read(Path(path), _pair, PAIR)


def read_marked(path: str | Path) -> list[Marked]:
    """The marked answers of a JSON Lines file. Raises DataError that lists every faulty row, or when all are marked
    alike."""
    rows = _read(Path(path), _marked, MARKED)
    if len({row.good for row in rows}) < 2:
        what = f"every answer is marked {'true' if rows[0].good else 'false'}, so good and bad cannot be compared"
        raise DataError([Problem(str(path), None, what, "add rows of the other kind")])
    return rows


def _read(path: Path, parse: Callable[[JsonObject, Path, int], R], layout: str) -> list[R]:
    rows, problems = scan_rows(path)
    if not rows and not problems:
        problems.append(Problem(str(path), None, "holds no rows", f"write one {layout} object per line"))
    parsed = []
    for line, fields in rows:
        try:
            parsed.append(parse(fields, path, line))
        except RowError as e:
            problems.append(Problem(str(path), line, e.what, e.next_step))
    if problems:
        raise DataError(sorted(problems, key=lambda p: p.line or 0))
    return parsed


def _pair(row: JsonObject, path: Path, line: int) -> Pair:
    prompt, _, _ = _fields(row, (PROMPT, ("chosen",), ("rejected",)), PAIR)
    chosen, rejected = (answered(row, prompt, field, path, line) for field in ("chosen", "rejected"))
    if chosen.turns == rejected.turns:
        raise RowError("'chosen' and 'rejected' are the same, so there is nothing to prefer", "drop the row")
    if chosen.prompt != rejected.prompt:
        what = "'chosen' and 'rejected' hold different turns before the last one"
        raise RowError(what, "put the turns that both answer into 'prompt'")
    return Pair(chosen=chosen, rejected=rejected)


def _marked(row: JsonObject, path: Path, line: int) -> Marked:
    prompt, completion, _ = _fields(row, (PROMPT, COMPLETION, ("label",)), MARKED)
    label = row["label"]
    if not isinstance(label, bool):
        raise RowError(
            f"'label' is {json_type(label)}, not true or false", "write true for a good answer and false for a bad one"
        )
    return Marked(example=answered(row, prompt, completion, path, line), good=label)


def _fields(row: JsonObject, spellings: Sequence[tuple[str, ...]], layout: str) -> list[str]:
    """The name that each field has in the row; a missing one is a RowError that names the field to rename."""
    names_in_row = [next((name for name in names if name in row), None) for names in spellings]
    missing = [names[0] for names, name in zip(spellings, names_in_row, strict=True) if name is None]
    if missing:
        others = [f for f in row if f not in names_in_row]
        renames = [f"rename '{close}' to '{m}'" for m in missing for close in difflib.get_close_matches(m, others, n=1)]
        fields = ", ".join(f"'{f}'" for f in row) or "none"
        what = f"missing field{'s' if len(missing) > 1 else ''} {' and '.join(map(repr, missing))} (found: {fields})"
        raise RowError(what, "; ".join(renames) or f"a row is {layout}")
    return [name for name in names_in_row if name is not None]


__all__ = ["Marked", "Pair", "read_marked", "read_pairs"]
