"""A whole answer's text as what the request asked for: its calls, and JSON that fits the schema."""

from __future__ import annotations

import json
from typing import NamedTuple

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.grammar import arguments_schema
from domainkit.inference.constrained.schema_check import schema_violation
from domainkit.messages import (
    InvalidToolCall,
    ParsedAnswer,
    SplitAnswer,
    ToolCall,
    parse_calls,
    shown_length,
    split_reasoning,
    tool_name,
    write_call,
)


class WholeAnswer(NamedTuple):
    """An answer's parts."""

    reasoning: str
    text: str
    calls: tuple[ToolCall, ...]
    invalid: tuple[InvalidToolCall, ...]


def words_only(request: Request) -> bool:
    """Whether the answer must begin with its words, without reasoning before them. So does the text that goes on from
    given tokens, of which nobody knows the turns."""
    called = bool(request.tools) and request.tool_choice != "auto"
    return (
        not request.messages
        or called
        or bool(request.choices)
        or request.json_schema is not None
        or request.regex is not None
    )


def shown_parts(text: str, request: Request, *, opened: bool = False) -> SplitAnswer:
    """What may be shown of an answer that still grows: no part of a call, nor of what may become one."""
    split = SplitAnswer("", text) if words_only(request) else split_reasoning(text, opened=opened, whole=False)
    return split._replace(text=split.text[: shown_length(split.text)]) if request.tools else split


def read_answer(text: str, request: Request, *, opened: bool = False, check: bool = False) -> WholeAnswer:
    """Reasoning, words and calls. `opened`: the prompt has opened the reasoning. With `check`, a call whose arguments
    break their schema is an invalid one, and a whole JSON answer that breaks the request's schema is a RequestError."""
    split = SplitAnswer("", text) if words_only(request) else split_reasoning(text, opened=opened)
    answer = parse_calls(split.text, request.tools) if request.tools else ParsedAnswer(split.text, (), ())
    return WholeAnswer(split.reasoning, *(_checked(answer, request) if check and request.check_schema else answer))


def _checked(answer: ParsedAnswer, request: Request) -> ParsedAnswer:
    if request.json_schema is not None and not answer.calls:
        check_json(answer.text, request)
    broken = {c.id: found for c in answer.calls if (found := _violation(c, request))}
    invalid = [InvalidToolCall(f"arguments: {broken[c.id]}", write_call(c)) for c in answer.calls if c.id in broken]
    calls = tuple(c for c in answer.calls if c.id not in broken)
    return ParsedAnswer(answer.text, calls, (*answer.invalid, *invalid))


def check_json(text: str, request: Request) -> None:
    """Raise RequestError for JSON that breaks the request's schema. Text cut off before its end is not JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if violation := schema_violation(value, request.json_schema or {}):
        raise RequestError(
            f"the answer does not fit the JSON schema: {violation}",
            where=text[:200],
            next_step="ask again, or loosen the schema there; this rule cannot be enforced while generating",
        )


def _violation(call: ToolCall, request: Request) -> str | None:
    tool = next(t for t in request.tools if tool_name(t) == call.name)
    return schema_violation(call.arguments, arguments_schema(tool))
