"""Tools: how calls and their results are written into a prompt and read back from an answer, all in the Hermes form.

A template that knows tools and speaks this form is left to do it; for any other the tools are text in the system turn.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from typing import Any

from domainkit.messages import CALL_CLOSE, CALL_OPEN, Message, ToolCall, chosen_tools, parse_calls

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
"""The wording of NousResearch/Hermes-Function-Calling: of three tried, the one with which SmolLM2-135M picked the right
tool of several most often."""

Turn = dict[str, Any]

_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "probe_tool",
        "description": "Probe.",
        "parameters": {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]},
    },
}
_PROBE = (
    Message("user", "Probe it."),
    Message("assistant", "", (ToolCall("call00001", "probe_tool", {"depth": 7}),)),
    Message("tool", "probe result", tool_call_id="call00001", name="probe_tool"),
)
_known: weakref.WeakKeyDictionary[Any, tuple[str, bool]] = weakref.WeakKeyDictionary()


def with_tools(
    messages: Sequence[Message], tools: Sequence[dict[str, Any]], tool_choice: str, tokenizer: Any
) -> tuple[list[Turn], list[dict[str, Any]] | None]:
    """The conversation and the `tools=` argument for `tokenizer.apply_chat_template`.

    Where the template knows tools, both pass through; elsewhere `tools=` is None and calls, results and the tools
    themselves are text. The system turn's own text comes first, the template's default one where there is none.
    """
    offered = list(chosen_tools(tools, tool_choice)) if tools else []
    if not offered and not any(m.role == "tool" or m.tool_calls for m in messages):
        return [{"role": m.role, "content": m.content} for m in messages], None
    if template_knows_tools(tokenizer):
        return [_native(m, messages) for m in messages], offered or None
    turns = _text_turns(messages)
    return (_with_system(turns, _tool_prompt(offered), tokenizer) if offered else turns), None


def template_knows_tools(tokenizer: Any) -> bool:
    """Whether the chat template shows tools and results, and writes a call so that `parse_calls` reads it back."""
    template = str(getattr(tokenizer, "chat_template", None))
    if tokenizer not in _known or _known[tokenizer][0] != template:
        _known[tokenizer] = (template, _knows_tools(tokenizer))
    return _known[tokenizer][1]


def _tool_prompt(tools: Sequence[dict[str, Any]]) -> str:
    listed = "\n".join(json.dumps(t.get("function", t), ensure_ascii=False) for t in tools)
    return TOOL_PROMPT.format(tools=listed)


def _with_system(turns: list[Turn], text: str, tokenizer: Any) -> list[Turn]:
    """`turns` with `text` after the system turn's own; in the first user turn where the template takes no system."""
    if turns and turns[0]["role"] == "system":
        return [{**turns[0], "content": f"{turns[0]['content']}\n\n{text}".strip()}, *turns[1:]]
    default = _default_system(tokenizer)
    if default is not None:
        return [{"role": "system", "content": f"{default}\n\n{text}".strip()}, *turns]
    at = next((i for i, t in enumerate(turns) if t["role"] == "user"), None)
    if at is None:
        return [{"role": "user", "content": text}, *turns]
    return [*turns[:at], {**turns[at], "content": f"{text}\n\n{turns[at]['content']}"}, *turns[at + 1 :]]


def _default_system(tokenizer: Any) -> str | None:
    """The system text the template adds by itself: "" for none, None when it refuses system turns."""
    user, mark = {"role": "user", "content": "?"}, "system text here"
    given = _rendered(tokenizer, [{"role": "system", "content": mark}, user])
    alone = _rendered(tokenizer, [user])
    if given is None or alone is None or mark not in given:
        return None
    head, _, tail = given.partition(mark)
    if alone.startswith(head) and alone.endswith(tail) and len(alone) >= len(head) + len(tail):
        return alone[len(head) : len(alone) - len(tail)]
    return ""


def _knows_tools(tokenizer: Any) -> bool:
    turns = [_native(m, _PROBE) for m in _PROBE]
    plain, shown = _rendered(tokenizer, turns[:1]), _rendered(tokenizer, turns[:1], [_PROBE_TOOL])
    if plain is None or shown is None or plain == shown or "probe_tool" not in shown:
        return False
    full = _rendered(tokenizer, turns, [_PROBE_TOOL])
    if full is None or "probe result" not in full:
        return False
    # The tools' own prompt shows the form of a call, so what was added after it is what counts.
    _, calls, _ = parse_calls(full[full.find("Probe it.") :], [_PROBE_TOOL])
    return [(c.name, c.arguments) for c in calls] == [("probe_tool", {"depth": 7})]


def _rendered(tokenizer: Any, turns: list[Turn], tools: list[dict[str, Any]] | None = None) -> str | None:
    """The prompt's text, or None where the template refuses the turns."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    try:
        return str(tokenizer.apply_chat_template(turns, tools=tools, tokenize=False, add_generation_prompt=True))
    except Exception:  # templates refuse by raising whatever Jinja leads them to
        return None


def _native(message: Message, messages: Sequence[Message]) -> Turn:
    turn: Turn = {"role": message.role, "content": message.content}
    if message.role == "tool":
        turn |= {"content": _fenced(message.content), "tool_call_id": message.tool_call_id}
        turn["name"] = message.name or _called_name(message, messages)
    if message.tool_calls:
        turn["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    return turn


def _as_text(message: Message, messages: Sequence[Message]) -> Turn:
    if message.role == "tool":
        # As a JSON string the result cannot close its own tag and go on as the user.
        result = {"name": message.name or _called_name(message, messages), "content": message.content}
        text = _fenced(json.dumps(result, ensure_ascii=False))
        return {"role": "user", "content": f"<tool_response>\n{text}\n</tool_response>"}
    calls = [
        f"{CALL_OPEN}\n{json.dumps({'name': c.name, 'arguments': c.arguments}, ensure_ascii=False)}\n{CALL_CLOSE}"
        for c in message.tool_calls
    ]
    return {"role": message.role, "content": "\n".join([*([message.content] if message.content else []), *calls])}


def _text_turns(messages: Sequence[Message]) -> list[Turn]:
    """Results, and what the user says right after, become one user turn: many templates insist that roles alternate."""
    turns: list[Turn] = []
    after_result = False
    for message in messages:
        turn = _as_text(message, messages)
        if turns and turn["role"] == turns[-1]["role"] == "user" and (after_result or message.role == "tool"):
            turns[-1] = {"role": "user", "content": f"{turns[-1]['content']}\n{turn['content']}"}
        else:
            turns.append(turn)
        after_result = message.role == "tool"
    return turns


def _called_name(message: Message, messages: Sequence[Message]) -> str:
    called = {c.id: c.name for m in messages for c in m.tool_calls}
    return called.get(message.tool_call_id or "", "tool")


def _fenced(text: str) -> str:
    return text.replace("</tool_response", "<\\/tool_response")
