"""A whole answer's text as what the request asked for: its calls, and JSON that fits the schema."""

from __future__ import annotations

import json

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.grammar import arguments_schema
from domainkit.inference.constrained.schema_check import schema_violation
from domainkit.messages import InvalidToolCall, ParsedAnswer, ToolCall, parse_calls, tool_name, write_call


def read_answer(text: str, request: Request, *, check: bool) -> ParsedAnswer:
    """Text and calls. With `check`, a call whose arguments break their schema is an invalid one, and a whole JSON
    answer that breaks the request's schema is a RequestError."""
    answer = parse_calls(text, request.tools) if request.tools else ParsedAnswer(text, (), ())
    if not (check and request.check_schema):
        return answer
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
    except ValueError:
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
