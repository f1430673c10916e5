"""Rows that say which answer is better. Two layouts are read:

    {"prompt": text or messages, "chosen": text or messages, "rejected": text or messages}
    {"prompt": text or messages, "completion": text or messages, "label": true or false}     # true: a good answer

"input" may stand for "prompt" and "answer" for "completion"; a row may have a "system" turn and an "id". Messages of
"chosen" and "rejected" may hold the whole conversation: what both begin with is the prompt, and one that "prompt" holds
too counts once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from domainkit.corpus.example import Example
from domainkit.corpus.rows.jsonl import NumberedRow, RowError, ScannedRows, json_type, raise_errors, scan_rows
from domainkit.corpus.rows.layouts import answered, missing_fields
from domainkit.corpus.rows.unread_fields import UnreadFields
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
    return _read(scan_pairs(Path(path)))


def read_marked(path: str | Path) -> list[Marked]:
    """The marked answers of a JSON Lines file. Raises DataError that lists every faulty row, or when all are marked
    alike."""
    rows = _read(scan_marked(Path(path)))
    if len({row.good for row in rows}) < 2:
        what = f"every answer is marked {'true' if rows[0].good else 'false'}, so good and bad cannot be compared"
        raise DataError([Problem(str(path), None, what, "add rows of the other kind")])
    return rows


def scan_pairs(path: Path, scanned: ScannedRows | None = None) -> tuple[list[Pair], list[Problem]]:
    """The well-formed pairs, a Problem for each other row, and warnings of what is not read."""
    return _scan(path, scanned, _pair, PAIR)


def scan_marked(path: Path, scanned: ScannedRows | None = None) -> tuple[list[Marked], list[Problem]]:
    """The well-formed marked answers, a Problem for each other row, and warnings of what is not read."""
    return _scan(path, scanned, _marked, MARKED)


def _read(scanned: tuple[list[R], list[Problem]]) -> list[R]:
    rows, problems = scanned
    raise_errors(problems)
    return rows


def _scan(
    path: Path,
    scanned: ScannedRows | None,
    parse: Callable[[JsonObject, Path, int], tuple[R, Sequence[str]]],
    layout: str,
) -> tuple[list[R], list[Problem]]:
    rows: list[NumberedRow]
    problems: list[Problem]
    rows, problems = scan_rows(path) if scanned is None else scanned
    unread: UnreadFields = UnreadFields()
    if not rows and not problems:
        problems.append(Problem(str(path), None, "holds no rows", f"write one {layout} object per line"))
    parsed: list[R] = []
    for line, fields in rows:
        try:
            row, read = parse(fields, path, line)
        except RowError as e:
            problems.append(Problem(str(path), line, e.what, e.next_step))
            continue
        unread.add(fields, line, read)
        parsed.append(row)
    return parsed, sorted([*problems, *unread.problems(str(path))], key=lambda p: p.line or 0)


def _pair(row: JsonObject, path: Path, line: int) -> tuple[Pair, Sequence[str]]:
    row = _with_prompt(row)
    fields = _fields(row, (PROMPT, ("chosen",), ("rejected",)), PAIR)
    prompt = fields[0]
    chosen, rejected = (answered(row, prompt, field, path, line) for field in ("chosen", "rejected"))
    if chosen.turns == rejected.turns:
        raise RowError("'chosen' and 'rejected' are the same, so there is nothing to prefer", "drop the row")
    if chosen.prompt != rejected.prompt:
        what = "'chosen' and 'rejected' hold different turns before the last one"
        raise RowError(what, "put the turns that both answer into 'prompt'")
    return Pair(chosen=chosen, rejected=rejected), fields


def _with_prompt(row: JsonObject) -> JsonObject:
    """A pair of two whole conversations with its prompt apart: the messages that both begin with."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if any(name in row for name in PROMPT) or not isinstance(chosen, list) or not isinstance(rejected, list):
        return row
    same = 0
    while same < min(len(chosen), len(rejected)) - 1 and chosen[same] == rejected[same]:
        same += 1
    return {**row, "prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]} if same else row


def _marked(row: JsonObject, path: Path, line: int) -> tuple[Marked, Sequence[str]]:
    fields = _fields(row, (PROMPT, COMPLETION, ("label",)), MARKED)
    prompt, completion, _ = fields
    label = row["label"]
    if not isinstance(label, bool):
        raise RowError(
            f"'label' is {json_type(label)}, not true or false", "write true for a good answer and false for a bad one"
        )
    return Marked(example=answered(row, prompt, completion, path, line), good=label), fields


def _fields(row: JsonObject, spellings: Sequence[tuple[str, ...]], layout: str) -> list[str]:
    """The name that each field has in the row; a missing one is a RowError that names the field to rename."""
    names_in_row = [next((name for name in names if name in row), None) for names in spellings]
    missing = [names[0] for names, name in zip(spellings, names_in_row, strict=True) if name is None]
    if missing:
        others = [f for f in row if f not in names_in_row]
        renamed = {m: next(iter(difflib.get_close_matches(m, others, n=1)), None) for m in missing}
        raise missing_fields(row, [names[0] for names in spellings], renamed, f"a row is {layout}")
    return [name for name in names_in_row if name is not None]


__all__ = ["Marked", "Pair", "read_marked", "read_pairs"]
