"""Tools in a conversation: handed to a chat template that knows them, else written as text in the Hermes form."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from domainkit.messages import (
    JsonObject,
    Message,
    ToolCall,
    function_of,
    openai_call,
    parse_calls,
    write_call,
)

TOOL_PROMPT = """\
You are a function calling AI model. You are provided with function signatures within <tools></tools> XML tags. \
You may call one or more functions to assist with the user query. \
Don't make assumptions about what values to plug into functions. Here are the available tools:
<tools>
{tools}
</tools>
For each function call return a json object with function name and arguments within <tool_call></tool_call> XML tags \
as follows:
<tool_call>
{{"name": <function-name>, "arguments": <args-dict>}}
</tool_call>"""
"""The wording of NousResearch/Hermes-Function-Calling. Of three wordings tried, SmolLM2-135M picked the right tool of
several most often with this one."""

TemplateTurn = dict[str, Any]
"""A message as chat templates read it: role, content, and maybe tool_calls, tool_call_id, name."""

_PROBE_TOOL: JsonObject = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "Probe.",
        "parameters": {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]},
    },
}
_PROBE = (
    Message("user", "Probe it."),
    Message("assistant", "", (ToolCall("probe_tool", {"depth": 7}, "call00001"),)),
    Message("tool", "probe result", tool_call_id="call00001", name="probe_tool"),
)


# ---- what a template can do ------------------------------------------------------------------------------------------

Render = Callable[..., str | None]
"""Turns, and maybe tools, to the prompt's text; None where the template refuses them."""


def knows_tools(render: Render) -> bool:
    """Whether the chat template shows tools and results, and writes a call so that `parse_calls` reads it back."""
    turns = native_turns(_PROBE)
    plain, with_tool = render(turns[:1]), render(turns[:1], [_PROBE_TOOL])
    if plain is None or with_tool is None or plain == with_tool or "probe_tool" not in with_tool:
        return False
    full = render(turns, [_PROBE_TOOL])
    if full is None or "probe result" not in full:
        return False
    # The template's tool prompt shows the form of a call. Only the text after it counts.
    calls = parse_calls(full[full.find("Probe it.") :], [_PROBE_TOOL]).calls
    return [(c.name, c.arguments) for c in calls] == [("probe_tool", {"depth": 7})]


def default_system(render: Render) -> str | None:
    """The system text that the template adds by itself: "" for none, None when it refuses, drops or moves system
    turns."""
    user, mark = {"role": "user", "content": "?"}, "system text here"
    system: TemplateTurn = {"role": "system", "content": mark}
    with_system, without = render([system, user]), render([user])
    if with_system is None or without is None or mark not in with_system:
        return None
    earlier = [{"role": "user", "content": "first user turn"}, {"role": "assistant", "content": "!"}]
    longer = render([system, *earlier, user])
    if longer is not None and not 0 <= longer.find(mark) < longer.find("first user turn"):
        return None  # some templates write it into the last user turn
    head, _, tail = with_system.partition(mark)
    if without.startswith(head) and without.endswith(tail) and len(without) >= len(head) + len(tail):
        return without[len(head) : len(without) - len(tail)]
    return ""


# ---- for a template that knows tools ---------------------------------------------------------------------------------


def native_turns(messages: Sequence[Message]) -> list[TemplateTurn]:
    """The messages with calls and results as fields, for the template to write."""
    return [_native_turn(m, messages) for m in messages]


def _native_turn(message: Message, messages: Sequence[Message]) -> TemplateTurn:
    turn: TemplateTurn = {"role": message.role, "content": message.content}
    if message.role == "tool":
        turn |= {"content": _escape_close(message.content), "tool_call_id": message.tool_call_id}
        turn["name"] = message.name or _called_name(message, messages)
    if message.tool_calls:
        turn["tool_calls"] = [openai_call(c) for c in message.tool_calls]
    return turn if not message.reasoning else {**turn, "reasoning_content": message.reasoning}


# ---- for any other template ------------------------------------------------------------------------------------------


def text_turns(
    messages: Sequence[Message], tools: Sequence[JsonObject], default_system: str | None
) -> list[TemplateTurn]:
    """The messages with calls and results as text, and the tools' descriptions in the system turn."""
    turns = _merge_user_turns(messages)
    if not tools:
        return turns
    descriptions = "\n".join(json.dumps(function_of(t), ensure_ascii=False) for t in tools)
    text = TOOL_PROMPT.format(tools=descriptions)
    if turns and turns[0]["role"] == "system":
        return [{**turns[0], "content": f"{turns[0]['content']}\n\n{text}".strip()}, *turns[1:]]
    return [{"role": "system", "content": f"{default_system or ''}\n\n{text}".strip()}, *turns]


def fold_system(turns: Sequence[TemplateTurn]) -> list[TemplateTurn]:
    """`turns` with the system turn's text at the head of the first user turn, for a template that takes no system
    turn."""
    if not turns or turns[0]["role"] != "system":
        return list(turns)
    text, rest = turns[0]["content"], list(turns[1:])
    first = next((i for i, t in enumerate(rest) if t["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": text}, *rest]
    rest[first] = {**rest[first], "content": f"{text}\n\n{rest[first]['content']}"}
    return rest


def _merge_user_turns(messages: Sequence[Message]) -> list[TemplateTurn]:
    """Results, and what the user says right after them, become one user turn: many templates demand that roles
    alternate."""
    turns: list[TemplateTurn] = []
    after_result = False
    for message in messages:
        turn = _text_turn(message, messages)
        if turns and turn["role"] == turns[-1]["role"] == "user" and (after_result or message.role == "tool"):
            turns[-1] = {"role": "user", "content": f"{turns[-1]['content']}\n{turn['content']}"}
        else:
            turns.append(turn)
        after_result = message.role == "tool"
    return turns


def _text_turn(message: Message, messages: Sequence[Message]) -> TemplateTurn:
    if message.role == "tool":
        # As a JSON string, the result cannot close its own tag and continue as the user.
        result = {"name": message.name or _called_name(message, messages), "content": message.content}
        text = _escape_close(json.dumps(result, ensure_ascii=False))
        return {"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"}
    parts = [message.content] if message.content else []
    turn = {"role": message.role, "content": "\n".join([*parts, *map(write_call, message.tool_calls)])}
    return turn if not message.reasoning else {**turn, "reasoning_content": message.reasoning}


# ---- results ---------------------------------------------------------------------------------------------------------


def _called_name(message: Message, messages: Sequence[Message]) -> str:
    """The name of the tool whose call a result answers."""
    names = {c.id: c.name for m in messages for c in m.tool_calls}
    return names.get(message.tool_call_id or "", "tool")


def _escape_close(text: str) -> str:
    return text.replace("</tool_response", "<\\/tool_response")
