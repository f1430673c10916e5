"""Tool calls as text: the JSON list that targets, answers on disk and reports hold.

    [{"name": "price_of", "arguments": {"item": "heather honey"}}]
    []                                                              # no call: an answer in words is right

An answer without a call is kept as its words. A call whose arguments could not be read keeps their text in their place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from domainkit.corpus.example import Example
from domainkit.messages import CALL_CLOSE, CALL_OPEN, JsonObject, parse_calls
from domainkit.storage import parse_json

NO_CALL = "[]"
_FIELDS = frozenset(("id", "type", "name", "arguments", "args"))
"""Of a call in our form, in OpenAI's, whose `function` is unwrapped, and in LangChain's, which says `args`."""


class Call(NamedTuple):
    """One call of an answer, or of what was right."""

    name: str
    """"" where the model named no tool."""
    arguments: JsonObject | None
    """None: they are not a JSON object, and the call cannot be made."""
    text: str = ""
    """What stood in the place of arguments that cannot be read."""


def read_calls(text: str) -> tuple[Call, ...] | None:
    """The calls of a JSON list of them, or of a single one; None for words."""
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        value = parse_json(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        # One object is a call only with arguments: {"name": "Anna"} may be an answer in words.
        alone = _call(value) if "function" in value or len(value) > 1 else None
        return None if alone is None else (alone,)
    calls = [call for item in value if (call := _call(item)) is not None]
    return tuple(calls) if len(calls) == len(value) else None


def calls_of(text: str) -> tuple[Call, ...]:
    """The calls of an answer; none where it is words."""
    return read_calls(text) or ()


def write_calls(calls: Sequence[Call]) -> str:
    """The calls as their JSON list."""
    listed = [{"name": c.name, "arguments": c.text if c.arguments is None else c.arguments} for c in calls]
    return json.dumps(listed, ensure_ascii=False)


def target_of(example: Example) -> str:
    """The calls of an example's last turn, as their JSON list; "[]" where it is words."""
    last = example.turns[-1]
    if last.tool_calls:
        return write_calls([Call(c.name, c.arguments) for c in last.tool_calls])
    return write_calls(calls_of(last.content))


def answer_text(
    words: str, made: Sequence[object], broken: Sequence[object] = (), tools: Sequence[JsonObject] = ()
) -> str:
    """A Runnable's answer as text: the list of its calls, or its words where there are none.

    `made` and `broken` are the `tool_calls` and `invalid_tool_calls` of a LangChain message. Words that hold calls of
    `tools` in the Hermes form are read, too: a model behind another program may have no field for them.
    """
    calls = [call for item in made if (call := _call(item)) is not None]
    calls += [_broken(item) for item in broken if isinstance(item, Mapping)]
    if not calls and CALL_OPEN in words:
        parsed = parse_calls(words, tools)
        calls = [Call(call.name, call.arguments) for call in parsed.calls]
        calls += [_from_text(call.text) for call in parsed.invalid]
    if calls:
        return write_calls(calls)
    listed = read_calls(words)
    return words if listed is None else write_calls(listed)


def shown(text: str) -> str:
    """An answer for a reader: each call on a line, as a program would write it; words as they are."""
    calls = read_calls(text)
    if calls is None:
        return text
    return "\n".join(map(_shown, calls)) if calls else "no call"


def values_text(text: str) -> str:
    """The tools' names and all values of the arguments, without the JSON around them: what leaks are looked for by."""
    return " ".join(f"{c.name} {' '.join(_leaves(c.arguments or {}))}".strip() for c in calls_of(text))


def _shown(call: Call) -> str:
    if call.arguments is None:
        return f"{call.name or 'unreadable call'}: {call.text}"
    arguments = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in call.arguments.items())
    return f"{call.name}({', '.join(arguments)})"


def _leaves(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [] if value is None else [str(value)]


def _call(value: object) -> Call | None:
    """A call in our form, OpenAI's or LangChain's; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    function = value.get("function")
    body = function if isinstance(function, Mapping) else value
    name = body.get("name")
    if not isinstance(name, str) or not _FIELDS.issuperset(body):
        return None
    given = body.get("arguments", body.get("args"))
    return _with_arguments(name, {} if given is None else given)


def _with_arguments(name: str, given: object) -> Call:
    if not isinstance(given, str):
        return Call(name, dict(given)) if isinstance(given, Mapping) else Call(name, None, json.dumps(given))
    try:
        parsed = parse_json(given)
    except ValueError:
        return Call(name, None, given)
    return Call(name, parsed) if isinstance(parsed, dict) else Call(name, None, given)


def _broken(item: Mapping[object, object]) -> Call:
    """A call that the model wrote and that cannot be made, with as much of it as can be read."""
    text = str(item.get("args") or item.get("error") or "")
    return _from_text(text, str(item.get("name") or ""))


def _from_text(text: str, name: str = "") -> Call:
    body = text.strip().removeprefix(CALL_OPEN).removesuffix(CALL_CLOSE)
    found = None if name else read_calls(body)
    return found[0] if found and len(found) == 1 else Call(name, None, text)
