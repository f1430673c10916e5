"""Conversations: OpenAI's messages, old and new, and ShareGPT's turns with `from` and `value`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domainkit.corpus.rows.jsonl import RowError
from domainkit.messages import CALL_CLOSE, CALL_OPEN, JsonObject, function_of, parse_calls
from domainkit.storage import parse_json

ROLES = {
    "developer": "system",
    **dict.fromkeys(("human", "prompter", "customer"), "user"),
    **dict.fromkeys(("gpt", "bot", "model", "ai", "chatgpt", "bing", "bard", "llm"), "assistant"),
    **dict.fromkeys(("function", "observation", "ipython", "tool_response", "function_response"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"""What other tools call the roles; "call" is an assistant's turn that is one call or a list of them."""


def from_conversations(field: str) -> Callable[[JsonObject], JsonObject]:
    """A rewrite to `messages`: ShareGPT's names of fields and roles, calls in each of their forms, `functions`."""

    def rewrite(row: JsonObject) -> JsonObject:
        rest = {name: value for name, value in row.items() if name not in (field, "functions")}
        if row.get("functions") and not rest.get("tools"):
            rest["tools"] = row["functions"]
        return {"messages": messages_of(row[field], rest.get("tools")), **rest}

    return rewrite


def messages_of(value: object, tools: object = None) -> Any:
    """The messages of a conversation with OpenAI's names. What is no such list stays as it is, for the error."""
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        value = [dict(zip(value, parts, strict=False)) for parts in zip(*value.values(), strict=False)]
    if not isinstance(value, list):
        return value
    calls = 0
    messages = []
    for message in value:
        if isinstance(message, dict):
            message = _renamed(message)
            message = _with_calls(message, calls, tools)
            calls += len(message.get("tool_calls") or ())
        messages.append(message)
    return messages


def _renamed(message: JsonObject) -> JsonObject:
    if "from" in message and "role" not in message:
        message = {{"from": "role", "value": "content"}.get(name, name): v for name, v in message.items()}
    role = message.get("role")
    if isinstance(role, str) and (meant := ROLES.get(role.strip().lower(), role.strip().lower())) != role:
        return {**message, "role": meant}
    return message


def _with_calls(message: JsonObject, before: int, tools: object) -> JsonObject:
    """The message with its calls in `tool_calls`; their ids count the conversation's calls."""
    if message.get("role") == "call":
        calls = _parsed_calls(message.get("content"))
        rest = {name: value for name, value in message.items() if name != "content"}
        return {**rest, "role": "assistant", "content": None, "tool_calls": _numbered(calls, before)}
    if message.get("role") != "assistant":
        return message
    if message.get("function_call"):
        rest = {name: value for name, value in message.items() if name != "function_call"}
        return {**rest, "content": message.get("content"), "tool_calls": _numbered([message["function_call"]], before)}
    content = message.get("content")
    if isinstance(tools, list) and isinstance(content, str) and CALL_OPEN in content and CALL_CLOSE in content:
        answer = parse_calls(content, [t for t in tools if isinstance(t, dict) and function_of(t).get("name")])
        if answer.calls and not answer.invalid:
            calls = [{"name": call.name, "arguments": call.arguments} for call in answer.calls]
            return {**message, "content": answer.text or None, "tool_calls": _numbered(calls, before)}
    return message


def _parsed_calls(value: object) -> list[object]:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError as e:
            raise RowError(f"a turn of the role 'function_call' is not JSON ({e})", "write the call as JSON") from None
    return value if isinstance(value, list) else [value]


def _numbered(calls: list[object], before: int) -> list[object]:
    numbered: list[object] = []
    for i, call in enumerate(calls, start=before + 1):
        if isinstance(call, dict) and "function" not in call and "name" in call:
            numbered.append({"id": f"call_{i}", "type": "function", "function": call})
        else:
            numbered.append(call)
    return numbered
