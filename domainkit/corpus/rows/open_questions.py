"""Test rows that are a question alone: what nobody has answered yet."""

from __future__ import annotations

from collections.abc import Mapping

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


__all__ = ["NO_ANSWER", "with_answer"]
