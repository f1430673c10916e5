"""Grammars close objects and fix spacing; what llguidance refuses is named with its place in the user's own text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domainkit.errors import RequestError
from domainkit.inference.constrained.grammar import (
    arguments_schema,
    auto_grammar,
    call_grammar,
    regex_error,
    schema_error,
    schema_grammar,
)

INTEGER = {"type": "integer"}
ADD = {"type": "function", "function": {"name": "add", "parameters": {"properties": {"a": INTEGER}}}}


def schema_in(grammar: str) -> dict[str, Any]:
    return json.loads(grammar.partition("%json ")[2].splitlines()[0])


def test_objects_are_closed_and_spacing_is_that_of_json_dumps() -> None:
    inner = {"type": "object", "properties": {"a": INTEGER}}
    schema = schema_in(schema_grammar({"type": "array", "items": inner}))
    assert schema["items"]["additionalProperties"] is False
    assert schema["x-guidance"] == {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": INTEGER}, "additionalProperties": True},
        {"properties": {"a": INTEGER}, "patternProperties": {"^b": INTEGER}},
        {"allOf": [{"properties": {"a": INTEGER}}, {"properties": {"b": INTEGER}}]},
    ],
    ids=["open on purpose", "open by pattern", "intersecting"],
)
def test_a_schema_that_must_stay_open_is_not_closed(schema: dict[str, Any]) -> None:
    written = schema_in(schema_grammar(schema))
    assert {k: written[k] for k in schema} == schema
    assert written.get("additionalProperties") in (None, schema.get("additionalProperties"))


def test_a_call_names_one_of_the_tools_and_has_its_arguments() -> None:
    grammar = call_grammar([ADD, {"name": "now"}])
    assert "call_0 | call_1" in grammar
    assert r'"{\"name\": \"add\", \"arguments\": "' in grammar
    assert arguments_schema({"name": "now"}) == {"properties": {}, "type": "object"}
    with pytest.raises(RequestError, match=r"has no tools(.|\n)*bind at least one tool"):
        call_grammar([])


def test_with_a_schema_the_answer_takes_the_place_of_free_text() -> None:
    assert "TEXT" in auto_grammar([ADD])
    assert "TEXT" not in auto_grammar([ADD], INTEGER)


def test_a_refused_keyword_is_named_with_its_pointer() -> None:
    schemas = [("tool 'a'", {"type": "object"}), ("json_schema", {"properties": {"x": {"uniqueItems": True}}})]
    error = schema_error(schemas, 'Unimplemented keys: ["uniqueItems"]')
    assert error.where == "json_schema at #/properties/x/uniqueItems"
    assert "'uniqueItems', which cannot be enforced" in error.what
    unknown = schema_error(schemas, "")
    assert unknown.where == "tool 'a', json_schema"
    assert "unknown reason" in unknown.what


def test_a_refused_regex_is_named_with_its_position() -> None:
    reason = "regex parse error:\n    a(b\n     ^\nerror: unclosed group"
    error = regex_error("a(b", reason)
    assert error.where == "regex at position 1"
    assert error.what == "'a(b' cannot be enforced: unclosed group"
    assert len(regex_error("x" * 200, "no position").what) < 130
