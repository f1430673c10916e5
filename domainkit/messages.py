"""Messages and tool calls, and how a call is written and read: the one form for training and inference.

Calls are in the Hermes form, the one most open models were trained on:

    <tool_call>
    {"name": "weather", "arguments": {"city": "Ulm"}}
    </tool_call>
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from domainkit.errors import RequestError
from domainkit.registry import near

CALL_OPEN = "<tool_call>"
CALL_CLOSE = "</tool_call>"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of the tool `name` with JSON `arguments`; `id` is unique in its conversation."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `tool_calls` belong to the assistant's turns, `tool_call_id` to role "tool"."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


def chosen_tools(tools: Sequence[dict[str, Any]], tool_choice: str) -> tuple[dict[str, Any], ...]:
    """The tools a call may name: all for "auto" and "any", else the one named; unknown is a RequestError."""
    if tool_choice in ("auto", "any"):
        return tuple(tools)
    named = tuple(t for t in tools if tool_name(t) == tool_choice)
    if not named:
        raise RequestError(
            f"tool_choice names '{tool_choice}', which is not among the request's tools",
            next_step=near(tool_choice, ["auto", "any", *map(tool_name, tools)]),
        )
    return named


def tool_name(tool: dict[str, Any]) -> str:
    """The name in an OpenAI-form tool, wrapped in {"type": "function"} or bare."""
    name = tool.get("function", tool).get("name")
    if not isinstance(name, str) or not name:
        raise RequestError(
            f"a tool has no name: {json.dumps(tool, default=str)[:200]}",
            next_step='describe it as {"type": "function", "function": {"name": ..., "parameters": <JSON schema>}}',
        )
    return name


def parse_calls(text: str, tools: Sequence[dict[str, Any]]) -> tuple[str, tuple[ToolCall, ...], tuple[str, ...]]:
    """An answer's words, its calls with fresh ids, and its unusable calls, each as "reason: text".

    The words begin with what `shown_length` let through while the answer grew. A whole answer that is a call without
    markers counts as one.
    """
    bare = _bare_call(text, tools)
    if bare is not None:
        return "", (bare,), ()
    content, calls, invalid, at = [], [], [], 0
    while (start := text.find(CALL_OPEN, at)) >= 0:
        content.append(text[at:start])
        body = start + len(CALL_OPEN)
        call, at = _read_call(text, body, tools)
        if isinstance(call, ToolCall):
            calls.append(call)
        else:
            invalid.append(f"{call}: {text[body:at].removesuffix(CALL_CLOSE).strip()}")
    content.append(text[at:])
    return "".join(content).rstrip() if calls or invalid else text, tuple(calls), tuple(invalid)


def shown_length(text: str) -> int:
    """How many characters of a growing answer may be shown already: none of a call, nor of what may become one."""
    head, marker, _ = text.partition(CALL_OPEN)
    bare = '{"name"'
    if head.lstrip()[: len(bare)] == bare[: len(head.lstrip())]:
        return 0
    if not marker:
        half = next((n for n in range(len(CALL_OPEN) - 1, 0, -1) if head.endswith(CALL_OPEN[:n])), 0)
        head = head[: len(head) - half]
    return len(head.rstrip())  # the blanks before a call go with it


def _read_call(text: str, body: int, tools: Sequence[dict[str, Any]]) -> tuple[ToolCall | str, int]:
    """The call, or why it is none, whose text begins at `body`; and where the next text begins."""
    at = len(text) - len(text[body:].lstrip())
    try:
        # Decoded, not searched for the closing marker: an argument may contain that marker.
        value, end = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text, at)
    except (ValueError, RecursionError) as e:
        close = text.find(CALL_CLOSE, body)
        if close < 0:
            return "cut off before its end", len(text)
        return f"not JSON ({getattr(e, 'msg', e)})", close + len(CALL_CLOSE)
    close = text.find(CALL_CLOSE, end)
    # The token limit or a stop string may cut the closing marker off; the call itself is whole.
    rest, after = (text[end:], len(text)) if close < 0 else (text[end:close], close + len(CALL_CLOSE))
    return ("more than one JSON value" if rest.strip() else check_call(value, tools)), after


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def check_call(value: Any, tools: Sequence[dict[str, Any]], *, id: str | None = None) -> ToolCall | str:
    """The call in a {"name", "arguments"} object, with a fresh id unless one is given; or why it is none."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return "not an object with a name"
    if value["name"] not in map(tool_name, tools):
        return f"no tool is named '{value['name']}'"
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        return "arguments are not an object"
    return ToolCall(id or f"call_{uuid.uuid4().hex[:24]}", value["name"], arguments)


def _bare_call(text: str, tools: Sequence[dict[str, Any]]) -> ToolCall | None:
    """The call, when the whole text is one without markers."""
    if not (tools and text.lstrip().startswith("{")):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    call = check_call(value, tools) if set(value) == {"name", "arguments"} else None
    return call if isinstance(call, ToolCall) else None
