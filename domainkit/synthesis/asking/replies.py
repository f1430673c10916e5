"""What a writer's reply holds: rows of quote, question and answer, and each fault of its form."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from domainkit.messages import JsonObject

FIELDS = ("quote", "question", "answer")
NOT_JSON, CUT_OFF, MISSING, WRONG_TYPE, EMPTY, CONTROL, LOOP, NOTHING = (
    "not JSON",
    "cut off",
    "a field is missing",
    "a field is not text",
    "a field is empty",
    "broken characters",
    "repeats itself",
    "no rows",
)
_DECODER = json.JSONDecoder()
THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd]")


@dataclass(frozen=True)
class Written:
    """One row as the writer gave it."""

    quote: str
    question: str
    answer: str


@dataclass(frozen=True)
class Malformed:
    """A reply, or a row of one, that cannot be used."""

    kind: str
    text: str
    """What stands there, for the report."""


def read_reply(text: str, *, cut_off: bool) -> list[Written | Malformed]:
    """The rows of a reply in their order; whole rows before a cut count. `cut_off`: the model says it had no room."""
    text = THINKING.sub("", text).strip()
    if not text:
        return [Malformed(CUT_OFF if cut_off else NOTHING, "")]
    found, whole = _rows(text)
    rows: list[Written | Malformed] = [_read(row) for row in found]
    if not whole:
        rows.append(Malformed(CUT_OFF if cut_off or rows else NOT_JSON, text))
    elif not rows:
        rows.append(Malformed(NOTHING, text))
    return rows


def _rows(text: str) -> tuple[list[object], bool]:
    """The reply's rows, and whether its JSON is whole. Prose and code fences around the JSON do not matter."""
    start = re.search(r"[\[{]", text)
    if start is None:
        return [], False
    try:
        value, _ = _DECODER.raw_decode(text, start.start())
    except (ValueError, RecursionError):
        return list(_whole_objects(text)), False
    if isinstance(value, dict) and isinstance(value.get("rows"), list):
        value = value["rows"]
    return (value if isinstance(value, list) else [value]), True


def _whole_objects(text: str) -> Iterator[object]:
    """The objects with a row's fields that stand whole in broken JSON."""
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict) and set(FIELDS) & value.keys():
            yield value
        at = end


def _read(row: object) -> Written | Malformed:
    shown = json.dumps(row, ensure_ascii=False)
    if not isinstance(row, dict) or not set(FIELDS) <= row.keys():
        return Malformed(MISSING, shown)
    texts = [_text(row, name) for name in FIELDS]
    if None in texts:
        return Malformed(WRONG_TYPE, shown)
    quote, question, answer = (str(text).strip() for text in texts)
    if not (quote and question and answer):
        return Malformed(EMPTY, shown)
    if any(map(BROKEN.search, (quote, question, answer))):
        return Malformed(CONTROL, shown)
    if repeats(question) or repeats(answer):
        return Malformed(LOOP, shown)
    return Written(quote, " ".join(question.split()), " ".join(answer.split()))


def repeats(text: str) -> bool:
    """Whether four words in a row stand there three times: a model that does not come to an end."""
    words = text.lower().split()
    runs = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    return max(runs.values(), default=0) >= 3


def _text(row: JsonObject, name: str) -> str | None:
    value = row[name]
    if isinstance(value, int | float) and not isinstance(value, bool) and name == "answer":
        return str(value)  # 19 without quotes is an answer
    return value if isinstance(value, str) else None
