"""Answers that run out of tokens are completed to fit their schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domainkit.inference.constrained.constraint import compile_constraint
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask

ITEM = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": ["xx", "yy"]}}, "required": ["a", "b"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "setup": {"type": "string"},
        "count": {"type": "integer"},
        "items": {"type": "array", "items": ITEM, "minItems": 1},
        "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "deep": {"type": "object", "properties": {"x": {"type": ["number", "null"]}}, "required": ["x"]},
        "spare": {"type": "boolean"},
    },
    "required": ["setup", "count", "items", "code", "deep"],
}


def test_a_closing_suffix_gives_required_properties_their_least(backend: LocalBackend) -> None:
    constraint = compile_constraint(ask("x", json_schema=SCHEMA), backend.spelling)
    suffix = constraint.closing_suffix(500)
    assert suffix is not None
    found = json.loads(backend.tokenizer.decode(suffix))
    assert set(found) == set(SCHEMA["required"])
    assert found["setup"] == ""
    assert found["items"] == [{"a": "", "b": "xx"}]
    assert constraint.closing_suffix(len(suffix)) == suffix
    assert constraint.closing_suffix(len(suffix) - 1) is None


@pytest.mark.parametrize("room", [125, 150, 200, 400])
def test_an_answer_fits_its_schema_however_little_room_it_has(backend: LocalBackend, room: int) -> None:
    answers = backend.complete(
        [ask(f"q{i}", json_schema=SCHEMA, max_tokens=room, temperature=1.5, seed=i) for i in range(6)]
    )
    for answer in answers:
        found = json.loads(answer.text)
        assert set(SCHEMA["required"]) <= set(found)
        assert answer.completion_tokens <= room
    assert "length" in {a.finish_reason for a in answers} or room == 400


def test_a_forced_tool_call_is_completed_too(backend: LocalBackend) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    [answer] = backend.complete([ask("x", tools=(tool,), tool_choice="any", max_tokens=220)])
    assert [set(SCHEMA["required"]) <= set(c.arguments) for c in answer.tool_calls] == [True]


def test_without_any_room_the_answer_is_cut(backend: LocalBackend) -> None:
    [answer] = backend.complete([ask("x", json_schema=SCHEMA, max_tokens=5)])
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == 5
