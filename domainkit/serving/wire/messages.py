"""OpenAI's messages as a Backend's."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.messages import JsonObject, Message, Role, ToolCall
from domainkit.registry import suggestion
from domainkit.serving.wire.errors import ApiError
from domainkit.storage import parse_json

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
FIELDS = {
    "system": {"name"},
    "user": {"name"},
    "assistant": {"name", "tool_calls", "refusal", "reasoning_content", "reasoning"},
    "tool": {"name", "tool_call_id"},
}
"""Fields of a message beside role and content."""
UNUSED = {"audio", "annotations", "function_call", "reasoning"}
"""Fields that clients send back from answers; where they hold something, it is refused or read elsewhere."""


def read_messages(messages: Sequence[object]) -> tuple[Message, ...]:
    """The conversation. Raises ApiError 400 with the message and part that a text model cannot read."""
    return tuple(_message(m, f"messages[{i}]") for i, m in enumerate(messages))


def _message(given: object, place: str) -> Message:
    if not isinstance(given, dict):
        raise ApiError(400, "a message is an object with role and content", param=place)
    role = ROLES.get(str(given.get("role")))
    if role is None:
        step = suggestion(str(given.get("role")), ROLES)
        raise ApiError(400, f"{given.get('role')!r} is not a role; {step}", param=f"{place}.role")
    for name, value in given.items():
        if name not in {"role", "content", *FIELDS[role]} and not (name in UNUSED and not value):
            raise ApiError(400, f"a message of role {role} has no field '{name}' here", param=f"{place}.{name}")
    calls = _calls(given.get("tool_calls"), f"{place}.tool_calls")
    words = _words(given.get("content"), f"{place}.content", may_be_empty=bool(calls) or bool(given.get("refusal")))
    if role == "tool" and not isinstance(given.get("tool_call_id"), str):
        raise ApiError(400, "a tool's message names the call it answers", param=f"{place}.tool_call_id")
    return Message(
        role,
        words or _text(given, "refusal", place),
        tool_calls=calls,
        tool_call_id=given.get("tool_call_id") if role == "tool" else None,
        name=_text(given, "name", place) or None,
        reasoning=_text(given, "reasoning_content", place) or _text(given, "reasoning", place),
    )


def _text(given: JsonObject, name: str, place: str) -> str:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError(400, f"{name} is not text", param=f"{place}.{name}")
    return value or ""


def _words(content: object, place: str, *, may_be_empty: bool) -> str:
    """The text of a message: a string, or parts of type text."""
    if isinstance(content, str):
        return content
    if content is None and may_be_empty:
        return ""
    if not isinstance(content, list):
        raise ApiError(400, "content is a text, or a list of parts", param=place)
    return "".join(_part(part, f"{place}[{i}]") for i, part in enumerate(content))


def _part(part: object, place: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    text = part.get("refusal" if kind == "refusal" else "text") if isinstance(part, dict) else None
    if kind not in ("text", "refusal"):
        raise ApiError(400, f"a part of type {kind!r}: the models read text only", param=f"{place}.type")
    if not isinstance(text, str):
        raise ApiError(400, "the part holds no text", param=f"{place}.text")
    return text


def _calls(calls: object, place: str) -> tuple[ToolCall, ...]:
    if calls is None:
        return ()
    if not isinstance(calls, list):
        raise ApiError(400, "tool_calls is a list", param=place)
    return tuple(_call(call, i, f"{place}[{i}]") for i, call in enumerate(calls))


def _call(call: object, index: int, place: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ApiError(400, "a call is {id, type: function, function: {name, arguments}}", param=place)
    text = function.get("arguments")
    try:
        arguments = parse_json(text or "{}") if isinstance(text, str) else text
    except ValueError as e:
        raise ApiError(400, f"arguments are not JSON: {e}", param=f"{place}.function.arguments") from e
    if not isinstance(arguments, dict):
        raise ApiError(400, "arguments are not an object", param=f"{place}.function.arguments")
    return ToolCall(function["name"], arguments, str(call.get("id") or f"call_{index}"))
