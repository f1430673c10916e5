"""A value that breaks a schema's rule is told with the rule and its place; one that fits is not."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.inference.constrained.schema_check import schema_violation

LINKED = {"$defs": {"N": {"type": "object", "properties": {"kid": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"}
CASES: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"type": "integer"}, [1, 1.0], [True, "1", 1.5, None]),
    ({"type": ["number", "null"]}, [1, None], [True, []]),
    ({"enum": [1, "a", {"b": [2]}]}, [1, 1.0, "a", {"b": [2]}], [True, {"b": [3]}]),
    ({"const": False}, [False], [0, None]),
    ({"minimum": 1, "exclusiveMaximum": 3}, [1, 2.9, "x", True], [0, 3]),
    ({"multipleOf": 0.01}, [0.07, 1], [0.075]),
    ({"minLength": 1, "maxLength": 2, "pattern": "^(?=a)"}, ["a", "ab", 5], ["", "abc", "b"]),
    ({"format": "date"}, ["2024-02-29", 3], ["2023-02-29"]),
    ({"format": "uuid"}, ["12345678-1234-5678-1234-567812345678"], ["1234"]),
    ({"format": "a-format-nobody-knows"}, ["x"], []),
    ({"uniqueItems": True, "maxItems": 2}, [[1, True], [{"a": 1}, {"a": 2}]], [[1, 1.0], [[1], [1]], [1, 2, 3]]),
    ({"prefixItems": [{"const": 1}], "items": {"type": "string"}}, [[1], [1, "a"]], [[2], [1, 2]]),
    ({"contains": {"const": 1}, "maxContains": 1}, [[1, 2]], [[2], [1, 1]]),
    ({"required": ["a"], "minProperties": 2, "maxProperties": 2}, [{"a": 1, "b": 2}], [{"a": 1}, {"b": 1, "c": 2}]),
    ({"dependentRequired": {"a": ["b"]}}, [{}, {"a": 1, "b": 2}], [{"a": 1}]),
    ({"properties": {"a": {"const": 1}}, "additionalProperties": False}, [{"a": 1}], [{"a": 2}, {"b": 1}]),
    ({"patternProperties": {"^x": {"const": 1}}, "additionalProperties": False}, [{"x1": 1}], [{"x": 2}, {"y": 1}]),
    ({"propertyNames": {"pattern": "^x"}}, [{"x": 1}], [{"y": 1}]),
    ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1], [0, 3]),
    ({"anyOf": [{"const": 1}, {"const": 2}]}, [1, 2], [3]),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, [1.5], [1]),
    ({"not": {"const": 1}}, [2], [1, 1.0]),
    ({"if": {"const": 1}, "then": False, "else": {"maximum": 5}}, [2], [1, 6]),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{"b": 1}], [{"a": 1}]),
    (LINKED, [{"kid": {"kid": {}}}], [{"kid": {"kid": 1}}]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES, ids=lambda c: str(c)[:30])
def test_each_rule_holds_and_is_broken(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    assert [schema_violation(v, schema) for v in good] == [None] * len(good)
    assert all(schema_violation(v, schema) for v in bad)


def test_a_violation_names_the_rule_and_its_place() -> None:
    schema = {"properties": {"tags": {"items": {"uniqueItems": True}}}}
    assert schema_violation({"tags": [[1], [2, 2]]}, schema) == "/tags/1 breaks 'uniqueItems': True"


def test_what_cannot_be_resolved_holds_and_what_never_ends_is_reported() -> None:
    assert schema_violation(1, {"$ref": "http://elsewhere/schema"}) is None
    assert schema_violation(1, {"$ref": "#"}) == "it is nested too deeply to be checked"
