"""Rows that are a question alone: what nobody has answered yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from domainkit.corpus.rows.formats.header import folded
from domainkit.corpus.rows.source import NumberedRow, RowSource
from domainkit.errors import Problem
from domainkit.messages import JsonObject

NO_ANSWER = "\ue000"
"""The answer of a row that has none: a character of the private use area, which no text has."""
_ANSWERS = {
    "input": "target",
    "question": "answer",
    "query": "response",
    "prompt": "completion",
    "instruction": "output",
}
"""A question's field to that of its answer."""
_OTHERS = frozenset(("target", "output", "answer", "response", "completion", "label", "chosen"))


def with_answer(row: JsonObject, columns: Mapping[str, str]) -> JsonObject:
    """The row with NO_ANSWER where it asks a question and has no field for the answer; `columns` as the user names
    them."""
    messages = row.get("messages")
    if isinstance(messages, list) and messages:
        last = messages[-1]
        asks = isinstance(last, dict) and last.get("role") == "user"
        return {**row, "messages": [*messages, {"role": "assistant", "content": NO_ANSWER}]} if asks else row
    if columns.get("input") in row and "target" not in columns:
        return {**row, "target": NO_ANSWER}
    if "messages" in row or _OTHERS.intersection(row):
        return row
    answer = next((answer for question, answer in _ANSWERS.items() if question in row), None)
    return row if answer is None else {**row, answer: NO_ANSWER}


_ASKED = {
    "instruction": ("output", "response"),
    "prompt": ("completion", "response"),
    "question": ("answer",),
    "query": ("response",),
    "input": ("target", "output"),
    "text": ("label",),
}
"""A question's field to those of its answer, as the layouts pair them; the first is the one that is filled in."""
_TURNS = {"messages": ("role", "content"), "conversations": ("from", "value"), "conversation": ("from", "value")}
_ASSISTANT = {"role": "assistant", "from": "gpt"}
_USERS = ("user", "human")


def with_open_answers(source: RowSource, columns: Mapping[str, str]) -> RowSource:
    """The same rows with NO_ANSWER where a row has no field for the answer, or leaves it empty; `columns` as the user
    names them. Rows that name no question stay as they are."""

    def stream() -> Iterator[NumberedRow | Problem]:
        for item in source.stream():
            yield item if isinstance(item, Problem) else (item[0], _opened(item[1], columns))

    header = tuple(_opened(dict.fromkeys(source.columns, "-"), columns)) if source.columns else ()
    return replace(source, stream=stream, columns=header)


def _opened(row: JsonObject, columns: Mapping[str, str]) -> JsonObject:
    for field, (role, content) in _TURNS.items():
        if isinstance(row.get(field), list) and row[field]:
            return {**row, field: _opened_turns(row[field], role, content)}
    field = _answer_field(row, columns)
    return {**row, field: NO_ANSWER} if field and _is_blank(row.get(field)) else row


def _answer_field(row: JsonObject, columns: Mapping[str, str]) -> str:
    """The row's own name for its answer, or ours where it has none; "" where no question is found."""
    if "input" in columns or "prompt" in columns:
        answer = "target" if "input" in columns else "completion"
        return columns.get(answer, answer)
    names = {folded(name): name for name in row}
    asked = next((name for name in _ASKED if name in names), "")
    if not asked or (asked == "text" and "title" in names):  # a text with a title is a document
        return ""
    answered = next((names[name] for name in _ASKED[asked] if name in names), "")
    # An answer of another layout beside the question is not ours to overlook: the error names the columns.
    return answered or ("" if _OTHERS.intersection(names) else _ASKED[asked][0])


def _opened_turns(turns: list[JsonObject], role: str, content: str) -> list[JsonObject]:
    last = turns[-1]
    if not isinstance(last, dict):
        return turns
    if last.get(role) in _USERS:
        return [*turns, {role: _ASSISTANT[role], content: NO_ANSWER}]
    blank = last.get(role) == _ASSISTANT[role] and _is_blank(last.get(content)) and not last.get("tool_calls")
    return [*turns[:-1], {**last, content: NO_ANSWER}] if blank else turns


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


__all__ = ["NO_ANSWER", "with_answer", "with_open_answers"]
