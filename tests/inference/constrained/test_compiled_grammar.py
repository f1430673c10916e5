"""A request's grammar is compiled whole; where a schema has what no grammar holds, a wider one, and that is told."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from transformers import AutoTokenizer

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.constrained.compiled_grammar import CompiledGrammar, compile_grammar, request_grammar
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import Message


@pytest.fixture(scope="module")
def spelling(tiny_base: str) -> Spelling:
    return Spelling(AutoTokenizer.from_pretrained(tiny_base))


def compiled(spelling: Spelling, schema: dict[str, Any], **fields: Any) -> CompiledGrammar:
    request = Request((Message("user", "x"),), json_schema=schema, **fields)
    return compile_grammar(spelling, request_grammar(request), request)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "uniqueItems": True}, ["uniqueItems"]),
        ({"type": "string", "format": "path"}, ["format"]),
        ({"type": "string", "pattern": "^(?!b)a$"}, ["pattern"]),
        ({"type": "object", "patternProperties": {"^(?=a)": {}}, "additionalProperties": False}, []),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ["oneOf"]),
        ({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}, ["if", "then"]),
        ({"items": {"not": {"const": 1}}, "type": "array", "contains": {"const": 2}}, ["not", "contains"]),
        ({"type": "object", "propertyNames": {"maxLength": 3}, "dependentRequired": {"a": ["b"]}}, ["propertyNames"]),
    ],
)
def test_what_no_grammar_holds_is_relaxed_and_every_keyword_is_reported(
    spelling: Spelling, schema: dict[str, Any], words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "domainkit"):
        assert compiled(spelling, schema).relaxed
    (record,) = caplog.records
    assert all(f"'{word}' (json_schema at #/" in record.message for word in words)
    with pytest.raises(RequestError, match="cannot be enforced"):
        compiled(spelling, schema, strict=True)


def test_a_whole_schema_is_neither_relaxed_nor_reported(spelling: Spelling, caplog: pytest.LogCaptureFixture) -> None:
    assert not compiled(spelling, {"type": "object", "minProperties": 1, "format": "date-time"}).relaxed
    assert not caplog.records


def test_a_schema_that_is_wrong_is_refused_and_never_relaxed(spelling: Spelling) -> None:
    for wrong in ({"type": "strng"}, {"$ref": "#/$defs/missing"}, {"$ref": "http://elsewhere/schema"}):
        with pytest.raises(RequestError, match="json_schema"):
            compiled(spelling, wrong)
