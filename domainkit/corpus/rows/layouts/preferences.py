"""Layouts of pairs of answers, written as prompt, chosen and rejected."""

from __future__ import annotations

import re
from typing import Any

from domainkit.corpus.rows.jsonl import RowError
from domainkit.corpus.rows.layouts.alpaca import joined
from domainkit.corpus.rows.layouts.conversations import messages_of
from domainkit.messages import JsonObject

_TURN = re.compile(r"\n\n(Human|Assistant): ?")


def from_alpaca_pair(row: JsonObject) -> JsonObject:
    """`instruction` and `input` are the prompt."""
    rest = {name: value for name, value in row.items() if name not in ("instruction", "input")}
    return {"prompt": joined(row, "input"), **rest}


def from_sharegpt_pair(row: JsonObject) -> JsonObject:
    """`conversations` are the prompt; `chosen` and `rejected` are one turn each."""
    rest = {name: value for name, value in row.items() if name != "conversations"}
    return {"prompt": messages_of(row["conversations"]), **rest}


def from_openai_pair(row: JsonObject) -> JsonObject:
    """OpenAI's files for direct preference optimisation: `input` holds the messages and the tools."""
    asked = row["input"]
    if not isinstance(asked, dict) or "messages" not in asked:
        next_step = 'write {"messages": [...]}, or name the field "prompt" where it is text'
        raise RowError("'input' holds no messages", next_step)
    names = {"preferred_output": "chosen", "non_preferred_output": "rejected"}
    rest = {names.get(name, name): value for name, value in row.items() if name != "input"}
    others = {name: value for name, value in asked.items() if name != "messages"}
    return {"prompt": asked["messages"], **others, **rest}


def with_prompt(row: JsonObject) -> JsonObject:
    """A pair of two whole conversations or texts with its prompt apart: what both begin with."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if isinstance(chosen, str) and isinstance(rejected, str) and row.get("prompt") in (None, "", []):
        return _split_texts(row, chosen, rejected)
    if "prompt" in row or not isinstance(chosen, list) or not isinstance(rejected, list):
        return row
    same = 0
    while same < min(len(chosen), len(rejected)) - 1 and chosen[same] == rejected[same]:
        same += 1
    return {**row, "prompt": chosen[:same], "chosen": chosen[same:], "rejected": rejected[same:]} if same else row


def one_turn(value: Any) -> Any:
    """A single message as a list of one, with OpenAI's names; text stays text."""
    return messages_of([value] if isinstance(value, dict) else value)


def _split_texts(row: JsonObject, chosen: str, rejected: str) -> JsonObject:
    """Two texts that begin alike: turns behind "Human:" and "Assistant:", else the words that both begin with."""
    if _TURN.match(chosen) and _TURN.match(rejected):
        return with_prompt({**row, "chosen": _turns(chosen), "rejected": _turns(rejected)})
    same = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
    same = max(chosen.rfind(" ", 0, same), chosen.rfind("\n", 0, same)) + 1
    if not chosen[:same].strip():
        return row
    return {**row, "prompt": chosen[:same].rstrip(), "chosen": chosen[same:], "rejected": rejected[same:]}


def _turns(text: str) -> list[JsonObject]:
    parts = _TURN.split(text)[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [{"role": roles[r], "content": t} for r, t in zip(parts[::2], parts[1::2], strict=True)]
