"""Messages, tools and tool calls: how a call is written in a text and read back from it, for training and inference.

Calls are written in the Hermes form, the form that most open models were trained on:

    <tool_call>
    {"name": "weather", "arguments": {"city": "Ulm"}}
    </tool_call>
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pydantic.dataclasses import dataclass

from domainkit.errors import RequestError
from domainkit.registry import suggestion
from domainkit.storage import JsonObject as JsonObject  # where most rooms look for it

CALL_OPEN = "<tool_call>"
CALL_CLOSE = "</tool_call>"
REASONING_MARKS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<|channel>thought", "<channel|>"))
"""What opens and closes the reasoning before an answer, in the families of bases that think."""
CHANNEL_MARKS = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>")
"""Of gpt-oss, which writes its reasoning and its answer into channels."""
CHANNEL = CHANNEL_MARKS[0]
_RECIPIENT = re.compile(r"\bto=functions\.([\w-]+)")
Thinking = Literal["off", "on", "opened"]
"""Whether an answer may begin with reasoning; opened: the prompt has written the first mark."""
BARE_CALL = '{"name"'
"""How a call without its markers starts."""

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool."""

    name: str
    arguments: JsonObject
    id: str
    """Unique in its conversation."""


@dataclass(frozen=True, slots=True)
class InvalidToolCall:
    """Text that the model wrote as a call and that cannot be used as one."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. A wrong type is a pydantic ValidationError."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant's turn."""
    tool_call_id: str | None = None
    """Of a tool's turn: the call it answers."""
    name: str | None = None
    """Of a tool's turn: the tool."""
    reasoning: str = ""
    """Of an assistant's turn: what it thought before its words."""
    learnt: bool = True
    """Of an assistant's turn: False where its row says with `"weight": 0` that training must not learn it."""


def said_before(turns: Sequence[Message]) -> str:
    """What user and assistant said, a line a turn: the text by which a question with earlier turns is searched for and
    compared. Of "For how long?" the words before it are most of the meaning."""
    return "\n".join(t.content for t in turns if t.role in ("user", "assistant") and t.content)


class ParsedAnswer(NamedTuple):
    """An answer's text without its calls, and the calls in it."""

    text: str
    calls: tuple[ToolCall, ...]
    invalid: tuple[InvalidToolCall, ...]


# ---- tools -----------------------------------------------------------------------------------------------------------


def function_of(tool: JsonObject) -> JsonObject:
    """The name, description and parameters of an OpenAI-form tool, wrapped in {"type": "function"} or bare."""
    function = tool.get("function", tool)
    return function if isinstance(function, dict) else {}


def tool_name(tool: JsonObject) -> str:
    """The tool's name. Raises RequestError when it has none."""
    name = function_of(tool).get("name")
    if not isinstance(name, str) or not name:
        raise RequestError(
            f"a tool has no name: {json.dumps(tool, default=str)[:200]}",
            next_step='describe it as {"type": "function", "function": {"name": ..., "parameters": <JSON schema>}}',
        )
    return name


def chosen_tools(tools: Sequence[JsonObject], tool_choice: str) -> tuple[JsonObject, ...]:
    """The tools that a call may name: all for "auto" and "any", else the one named. Raises RequestError for another."""
    if tool_choice in ("auto", "any"):
        return tuple(tools)
    named = tuple(t for t in tools if tool_name(t) == tool_choice)
    if not named:
        raise RequestError(
            f"tool_choice names '{tool_choice}', which is not among the request's tools",
            next_step=suggestion(tool_choice, ["auto", "any", *map(tool_name, tools)]),
        )
    return named


# ---- reasoning in a text ---------------------------------------------------------------------------------------------


class SplitAnswer(NamedTuple):
    """An answer's reasoning, and the words after it."""

    reasoning: str
    text: str


def split_reasoning(text: str, *, opened: bool = False, whole: bool = True) -> SplitAnswer:
    """`opened`: the prompt has opened the reasoning already. With `whole=False` the text still grows: what may become a
    mark is left out, and both parts only ever grow."""
    if CHANNEL in text:
        return _split_channels(text, whole=whole)
    start = text.lstrip()
    marks = next((m for m in REASONING_MARKS if start.startswith(m[0])), None)
    if marks is None and not opened:
        waits = not whole and any(m[0].startswith(start) for m in (*REASONING_MARKS, (CHANNEL,)))
        return SplitAnswer("", "" if waits else text)
    body = text if marks is None else start[len(marks[0]) :]
    closings = [m[1] for m in REASONING_MARKS] if marks is None else [marks[1]]
    end, closing = min(((body.find(c), c) for c in closings if c in body), default=(-1, ""))
    if end >= 0:
        return SplitAnswer(body[:end].strip(), body[end + len(closing) :].lstrip("\n"))
    partial = 0 if whole else max(_partial_end(body, c) for c in closings)
    return SplitAnswer(body[: len(body) - partial].strip(), "")


def _split_channels(text: str, *, whole: bool) -> SplitAnswer:
    """A call stands in a channel of its own, and names its tool there: it becomes a call in the form of the others."""
    reasoning: list[str] = []
    words: list[str] = []
    for before, part in pairwise(text.split(CHANNEL)):
        channel, mark, body = part.partition(CHANNEL_MARKS[1])
        body, end, _ = body.partition(CHANNEL_MARKS[3])
        _, started, role = before.rpartition(CHANNEL_MARKS[2])
        tool = _RECIPIENT.search(f"{role if started else ''} {channel}")
        if mark and tool is not None:
            closing = f"}}\n{CALL_CLOSE}" if end or whole else ""
            words.append(f'{CALL_OPEN}\n{{"name": {json.dumps(tool[1])}, "arguments": {body}{closing}')
        elif mark:
            (words if channel.strip() == "final" else reasoning).append(body)
    return SplitAnswer("\n".join(reasoning).strip(), "".join(words))


def _partial_end(text: str, mark: str) -> int:
    """How many of the text's last characters may be the start of `mark`."""
    return next((n for n in range(len(mark) - 1, 0, -1) if text.endswith(mark[:n])), 0)


# ---- calls in a text -------------------------------------------------------------------------------------------------


def new_call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def write_call(call: ToolCall) -> str:
    """The call as a model writes it."""
    body = json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False)
    return f"{CALL_OPEN}\n{body}\n{CALL_CLOSE}"


def written(message: Message) -> str:
    """An assistant's turn as a model writes it: its words, then its calls."""
    return "\n".join([*([message.content] if message.content else []), *map(write_call, message.tool_calls)])


def openai_call(call: ToolCall) -> JsonObject:
    """The call in the form of OpenAI's API, which chat templates read too. The arguments stay an object."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def openai_message(message: Message) -> JsonObject:
    """The message in the form of OpenAI's API, as LangChain reads it: the arguments of its calls are JSON text."""
    fields: JsonObject = {"role": message.role, "content": message.content}
    if message.tool_calls:
        calls = [openai_call(call) for call in message.tool_calls]
        for call in calls:
            call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        fields["tool_calls"] = calls
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        fields["name"] = message.name
    return fields


def parse_calls(text: str, tools: Sequence[JsonObject]) -> ParsedAnswer:
    """Separate an answer into its text and its calls, which get fresh ids.

    The text starts with what `shown_length` let through while the answer grew. A whole answer that is one call without
    markers counts as a call.
    """
    bare = _bare_call(text, tools)
    if bare is not None:
        return ParsedAnswer("", (bare,), ())
    content: list[str] = []
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    end = 0
    while (start := text.find(CALL_OPEN, end)) >= 0:
        content.append(text[end:start])
        call, end = _read_call(text, start + len(CALL_OPEN), tools)
        if isinstance(call, ToolCall):
            calls.append(call)
        else:
            invalid.append(call)
    content.append(text[end:])
    return ParsedAnswer("".join(content).rstrip() if calls or invalid else text, tuple(calls), tuple(invalid))


def shown_length(text: str) -> int:
    """How many characters of a growing answer may be shown: no part of a call, nor of what may become one."""
    before, marker, _ = text.partition(CALL_OPEN)
    start = before.lstrip()
    if start[: len(BARE_CALL)] == BARE_CALL[: len(start)]:
        return 0
    if not marker:
        before = before[: len(before) - _partial_end(before, CALL_OPEN)]
    return len(before.rstrip())  # `parse_calls` strips the blanks before a call


def check_call(
    value: object, tools: Sequence[JsonObject], *, text: str, call_id: str | None = None
) -> ToolCall | InvalidToolCall:
    """The call in a {"name", "arguments"} object that was written as `text`. Without a `call_id` it gets a fresh
    one."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return InvalidToolCall("not an object with a name", text)
    if value["name"] not in map(tool_name, tools):
        return InvalidToolCall(f"no tool is named '{value['name']}'", text)
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        return InvalidToolCall("arguments are not an object", text)
    return ToolCall(value["name"], arguments, call_id or new_call_id())


def _read_call(text: str, body: int, tools: Sequence[JsonObject]) -> tuple[ToolCall | InvalidToolCall, int]:
    """The call whose text starts at `body`, and where the text after it starts."""
    start = len(text) - len(text[body:].lstrip())
    try:
        # Decode the JSON instead of searching for the closing marker: an argument may contain that marker.
        value, end = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text, start)
    except (ValueError, RecursionError) as e:
        close = text.find(CALL_CLOSE, body)
        if close < 0:
            return InvalidToolCall("cut off before its end", text[body:].strip()), len(text)
        reason = f"not JSON ({getattr(e, 'msg', e)})"
        return InvalidToolCall(reason, text[body:close].strip()), close + len(CALL_CLOSE)
    close = text.find(CALL_CLOSE, end)
    # The token limit or a stop string may cut off the closing marker. The call itself is whole.
    body_end, after = (len(text), len(text)) if close < 0 else (close, close + len(CALL_CLOSE))
    value_text = text[body:body_end].strip()
    if text[end:body_end].strip():
        return InvalidToolCall("more than one JSON value", value_text), after
    return check_call(value, tools, text=value_text), after


def _bare_call(text: str, tools: Sequence[JsonObject]) -> ToolCall | None:
    """The call, when the whole text is one call without markers."""
    if not (tools and text.lstrip().startswith("{")):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    call = check_call(value, tools, text=text) if set(value) == {"name", "arguments"} else None
    return call if isinstance(call, ToolCall) else None


def _refuse_constant(name: str) -> None:
    """NaN and Infinity, which Python's parser accepts and JSON does not have."""
    raise ValueError(f"{name} is not a JSON value")
