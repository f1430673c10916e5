"""Rows in domainkit's own three forms become examples:

    {"input": ..., "target": ..., "system": ...}
    {"prompt": text or messages, "completion": text or messages}
    {"messages": [{"role": ..., "content": ...}, ...]}          # the last is the assistant's

Messages may call tools, in the chat format of OpenAI's API: the row's "tools" describe them, an assistant's message has
"tool_calls", and a message of the role "tool" has the result of a call.

A row may have "system" (a system turn), "id" (unique in the file), "doc_ids" (the documents that hold its answer) and
"task". A target that is a list or an object is its JSON. An assistant's message may have a "weight": 0 says that it is
not to be learnt, whatever `turns` of the training says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast, get_args

from domainkit.corpus.example import Example
from domainkit.corpus.rows.distilled import teacher_of
from domainkit.corpus.rows.jsonl import RowError, json_type, parse_id, parse_text_list
from domainkit.errors import DataError
from domainkit.messages import JsonObject, Message, Role, ToolCall
from domainkit.registry import suggestion
from domainkit.storage import parse_json

FORMS: tuple[tuple[str, ...], ...] = (("messages",), ("prompt", "completion"), ("input", "target"))
_CALL = '{"id": ..., "type": "function", "function": {"name": ..., "arguments": {...}}}'
_CALLS = f'"tool_calls": [{_CALL}]'
_TOOL = '{"type": "function", "function": {"name": ..., "parameters": <JSON schema>}}'


class Place(NamedTuple):
    """Where a row stands."""

    source: str
    """As messages name it."""
    number: int
    """The line or row, from 1."""
    unit: str = ""


def form_of(row: JsonObject) -> tuple[str, ...]:
    """The fields of the form that the row is in."""
    if "messages" in row:
        return FORMS[0]
    return FORMS[1] if "prompt" in row and "completion" in row else FORMS[2]


def example_of(row: JsonObject, place: Place) -> Example:
    """The example of a row in one of the three forms. Raises RowError."""
    if "messages" in row:
        _check_weight(row["messages"], "messages")
        return _finished(row, _messages(row["messages"], "messages"), place)
    if "prompt" in row:
        return answered(row, "prompt", "completion", place)
    question = Message(role="user", content=_text(row["input"], "input"))
    return _finished(row, [question, Message(role="assistant", content=_target(row["target"]))], place)


def answered(row: JsonObject, prompt: str, answer: str, place: Place) -> Example:
    """The example of a row whose fields `prompt` and `answer` each hold text or messages. Turns of the prompt that the
    answer repeats count once. Raises RowError."""
    asked, answers = _turns(row[prompt], prompt, "user"), _turns(row[answer], answer, "assistant")
    _check_weight(row[answer], answer)
    again = answers[:-1]
    if again and again[-len(asked) :] == asked:
        asked = []
    elif again and asked[-len(again) :] == again:
        answers = answers[-1:]
    return _finished(row, [*asked, *answers], place)


def _target(value: object) -> str:
    """The text of a target: of a list or an object its JSON, which is what a model learns to write."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else _text(value, "target")


def _finished(row: JsonObject, turns: list[Message], place: Place) -> Example:
    system = row.get("system")
    if system not in (None, ""):
        repeated = turns and turns[0].role == "system"
        if repeated and turns[0].content != system:
            raise RowError("has a 'system' field and a system turn", "keep one of them")
        if not repeated:
            turns.insert(0, Message(role="system", content=_text(system, "system")))
    tools = parse_tools(row.get("tools"))
    _check_order(turns)
    _check_calls(turns, tools)
    return Example(
        turns=tuple(turns),
        tools=tools,
        source=place.source,
        line=place.number,
        unit=place.unit,
        id=parse_id(row.get("id")),
        doc_ids=parse_text_list(row.get("doc_ids"), "doc_ids"),
        task=None if row.get("task") is None else _text(row["task"], "task"),
        teacher=teacher_of(row),
    )


def _turns(value: object, field: str, role: Role) -> list[Message]:
    """A `prompt` or `completion`: text is one turn of `role`; a list is messages."""
    if isinstance(value, list):
        return _messages(value, field)
    return [Message(role=role, content=_text(value, field))]


def _messages(value: object, field: str) -> list[Message]:
    if not isinstance(value, list) or not value:
        what = f"'{field}' is empty" if value == [] else f"'{field}' is {json_type(value)}, not a list of messages"
        raise RowError(what, 'write a list of {"role": ..., "content": ...} objects')
    return [_message(message, f"{field}[{i}]") for i, message in enumerate(value)]


def _message(message: object, where: str) -> Message:
    if not isinstance(message, dict):
        raise RowError(f"{where} is {json_type(message)}, not an object", 'write {"role": ..., "content": ...}')
    for field, alias in (("role", "from"), ("content", "value")):
        if field not in message and not (field == "content" and message.get("tool_calls")):
            if "function_call" in message:
                raise RowError(f"{where} has the old field 'function_call'", f"write it as {_CALLS}")
            other = next((f for f in message if f == alias or f.strip().lower() == field), None)
            next_step = f"rename '{other}' to '{field}'" if other else 'a message has "role" and "content"'
            raise RowError(f"{where}: missing field '{field}'", next_step)
    roles = get_args(Role)
    role = message["role"]
    if role not in roles:
        raise RowError(f"{where}: unknown role {role!r}", suggestion(str(role), roles))
    calls = _calls(message.get("tool_calls"), f"{where}.tool_calls") if role == "assistant" else ()
    learnt = role != "assistant" or message.get("weight") != 0
    if calls and message.get("content") in (None, ""):
        return Message(role="assistant", content="", tool_calls=calls, learnt=learnt)
    if message["content"] is None and "function_call" in message:
        raise RowError(f"{where} has the old field 'function_call'", f"write it as {_CALLS}")
    content = _content(message["content"], f"{where}.content")
    if role != "tool":
        return Message(role=cast(Role, role), content=content, tool_calls=calls, learnt=learnt)
    call, name = (
        None if message.get(f) is None else _text(message[f], f"{where}.{f}") for f in ("tool_call_id", "name")
    )
    return Message(role="tool", content=content, tool_call_id=call, name=name)


def _content(value: object, where: str) -> str:
    """A message's text: a string, or the parts of OpenAI's form, which are all text."""
    if not isinstance(value, list) or not value:
        return _text(value, where)
    kinds = {str(part.get("type")) if isinstance(part, dict) else json_type(part) for part in value}
    if kinds != {"text"}:
        raise RowError(f"'{where}' holds {', '.join(sorted(kinds))}", "write it as a string: only text is learnt")
    return _text("".join(_text(part.get("text"), f"{where}[{i}].text") for i, part in enumerate(value)), where)


def _check_weight(messages: object, field: str) -> None:
    """The weights of a list of messages whose last one is to be learnt."""
    for i, message in enumerate(messages if isinstance(messages, list) else ()):
        weight = message.get("weight") if isinstance(message, dict) else None
        where = f"{field}[{i}]"
        if weight not in (None, 0, 1):
            next_step = "write 1 for a turn to be learnt and 0 for one that is not, or leave it out"
            raise RowError(f"{where}.weight is {weight!r}, not 0 or 1", next_step)
        if weight == 0 and message.get("role") == "assistant" and i == len(cast(list[object], messages)) - 1:
            what = f"{where} has the weight 0, and it is the last turn, the one to be learnt"
            raise RowError(what, "end the row with a turn that is to be learnt, or delete it")


def _calls(value: object, where: str) -> tuple[ToolCall, ...]:
    """An assistant's `tool_calls`; their arguments are an object, or the JSON text of one, as the API has it."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RowError(f"{where} is {json_type(value)}, not a list of calls", "write a list, or leave it out")
    return tuple(_call(call, f"{where}[{i}]") for i, call in enumerate(value))


def _call(call: object, where: str) -> ToolCall:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RowError(f"{where} does not name a function", f"write {_CALL}")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            arguments = parse_json(arguments)
        except ValueError as e:
            raise RowError(f"{where}: the arguments are not JSON ({e})", "write a JSON object") from None
    if not isinstance(arguments, dict):
        raise RowError(f"{where}: the arguments are {json_type(arguments)}, not an object", "write a JSON object")
    return ToolCall(name=function["name"], arguments=arguments, id=str(cast(JsonObject, call).get("id") or where))


def parse_tools(value: object) -> tuple[JsonObject, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RowError(f"'tools' is {json_type(value)}, not a list", f"write a list of {_TOOL}")
    for i, tool in enumerate(value):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            raise RowError(f"tools[{i}] has no name", f"write it as {_TOOL}")
    return tuple(value)


def _check_calls(turns: Sequence[Message], tools: Sequence[JsonObject]) -> None:
    names = [tool.get("function", tool)["name"] for tool in tools]
    for before, turn in zip([None, *turns], turns, strict=False):
        for call in turn.tool_calls:
            if call.name not in names:
                next_step = suggestion(call.name, names) if names else f'describe it: "tools": [{_TOOL}]'
                raise RowError(f"a turn calls '{call.name}', which is not among the row's tools", next_step)
        if turn.role == "tool" and not (before and (before.tool_calls or before.role == "tool")):
            raise RowError(
                "a tool's turn does not follow a call", "put the assistant's turn with its 'tool_calls' before it"
            )


def refuse_tools(examples: Iterable[Example], use: str) -> None:
    """Raises DataError for the first example that uses tools; `use` is what cannot be done with it, as "a
    comparison"."""
    for example in examples:
        if example.uses_tools:
            next_step = "leave such rows to `domainkit train`, or drop their tools and calls"
            raise DataError([example.problem(f"uses tools, and {use} asks plain questions", next_step)])


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        next_step = f'write it as a string, "{value}"' if isinstance(value, int | float) else "write it as a string"
        raise RowError(f"'{field}' is {json_type(value)}, not text", next_step)
    if not value.strip():
        raise RowError(f"'{field}' is empty", "fill it in, or delete the row")
    return value


def _check_order(turns: Sequence[Message]) -> None:
    if turns[-1].role != "assistant":
        what = f"the last turn is the {turns[-1].role}'s, not the assistant's"
        raise RowError(what, "end with the assistant's turn: it is the one to be learnt")
    if not any(turn.role == "user" for turn in turns):
        raise RowError("no user turn comes before the assistant's", "add the question that the last turn answers")
    if any(turn.role == "system" for turn in turns[1:]):
        raise RowError("a system turn is not the first", "move it to the front")
