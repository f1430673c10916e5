"""Alpaca and Dolly: an instruction, and what it is about. Both reach the model, as one turn of the user."""

from __future__ import annotations

from domainkit.corpus.rows.jsonl import RowError, json_type
from domainkit.messages import JsonObject


def from_alpaca(row: JsonObject) -> JsonObject:
    """`instruction`, `input` (may be empty) and `output`; `history` is a list of earlier [question, answer] pairs."""
    return _instructed(row, "input", "output")


def from_dolly(row: JsonObject) -> JsonObject:
    """`instruction`, `context` (may be empty) and `response`."""
    return _instructed(row, "context", "response")


def _instructed(row: JsonObject, about: str, answer: str) -> JsonObject:
    rest = {name: value for name, value in row.items() if name not in ("instruction", about, answer, "history")}
    question = joined(row, about)
    history = row.get("history")
    if not history:
        return {"input": question, "target": row[answer], **rest}
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": row[answer]}]
    return {"messages": [*_earlier(history), *messages], **rest}


def joined(row: JsonObject, about: str) -> object:
    """The instruction and what it is about, with an empty line between. Raises RowError."""
    instruction, matter = row.get("instruction"), row.get(about)
    if matter in (None, ""):
        return instruction
    if not isinstance(matter, str):
        raise RowError(f"'{about}' is {json_type(matter)}, not text", "write it as a string, or leave it empty")
    if instruction in (None, ""):
        return matter
    return f"{instruction}\n\n{matter}" if isinstance(instruction, str) else instruction


def _earlier(history: object) -> list[JsonObject]:
    pairs = [pair for pair in history if isinstance(pair, list) and len(pair) == 2] if isinstance(history, list) else []
    if not isinstance(history, list) or len(pairs) < len(history):
        raise RowError("'history' is not a list of pairs", 'write [["question", "answer"], …], or leave it out')
    return [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
