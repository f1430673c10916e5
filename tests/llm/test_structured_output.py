"""with_structured_output: an answer of the schema, as its type, or an error; never something else."""

from __future__ import annotations

import json
import logging
from typing import Any, Literal

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration
from pydantic import BaseModel

from domainkit import DomainLLM
from domainkit.errors import ConfigError, RequestError
from domainkit.llm.structured_output import AnswerParser, as_tool, wanted_schema

DIGIT = {"type": "integer", "minimum": 0, "maximum": 9}


class Yes(BaseModel):
    """Yes or no."""

    kind: Literal["yes"]
    sure: bool


class No(BaseModel):
    """No."""

    kind: Literal["no"]


class Tags(BaseModel):
    """A set, which JSON does not have."""

    tags: set[Literal["a", "b"]]


@pytest.fixture(scope="module")
def llm(tiny_base: str) -> DomainLLM:
    return DomainLLM(base=tiny_base, max_tokens=120)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_answers_of_every_shape_are_held_to_it(llm: DomainLLM, method: str) -> None:
    def ask(schema: Any) -> Any:
        return llm.with_structured_output(schema, method=method).invoke("x")

    assert ask({"enum": ["red", "blue"]}) in ("red", "blue")
    assert isinstance(ask(Yes | No), Yes | No)
    assert isinstance(ask({"name": "p", "schema": {"type": "array", "items": DIGIT, "maxItems": 2}}), list)
    assert isinstance(ask(Tags).tags, set)


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_what_a_grammar_cannot_hold_is_reported_and_checked(
    llm: DomainLLM, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {**DIGIT, "not": {"enum": list(range(10))}, "title": method}  # nothing fits
    asking = llm.with_structured_output(schema, method=method, include_raw=True)
    with caplog.at_level(logging.WARNING, "domainkit"):
        found = asking.invoke("x")
        asking.invoke("y")
    assert [r.message for r in caplog.records if "cannot be enforced while generating" in r.message] != []
    assert len(caplog.records) == 1
    assert "'not'" in caplog.records[0].message
    assert found["parsed"] is None
    assert "breaks 'not'" in str(found["parsing_error"])
    with pytest.raises(OutputParserException, match="does not fit the schema: / breaks 'not'"):
        llm.with_structured_output(schema, method=method).invoke("x")
    with pytest.raises(RequestError, match="uses 'not', which cannot be enforced"):
        llm.with_structured_output(schema, method=method, strict=True).invoke("x")


def test_a_bare_schema_is_checked_too(llm: DomainLLM) -> None:
    schema = {**DIGIT, "not": {"enum": list(range(10))}}
    with pytest.raises(RequestError, match="the answer does not fit the JSON schema: / breaks 'not'"):
        llm.invoke("x", json_schema=schema)
    assert llm.invoke("x", json_schema=schema, check_schema=False).text in "0123456789"


def test_a_tool_s_arguments_are_checked_too(tiny_base: str) -> None:
    parameters = {"type": "object", "properties": {"n": DIGIT}, "required": ["n"], "not": {"required": ["n"]}}
    tool = {"type": "function", "function": {"name": "add", "description": "d", "parameters": parameters}}
    llm = DomainLLM(base=tiny_base, max_tokens=160)
    found = llm.bind_tools([tool], tool_choice={"type": "any"}).invoke("x")
    assert isinstance(found, AIMessage)
    assert not found.tool_calls
    assert "breaks 'not'" in str(found.invalid_tool_calls[0]["error"])
    assert llm.bind_tools([tool], parallel_tool_calls=False).invoke("x").text
    with pytest.raises(RequestError, match="tool 'add' at #/not: the JSON schema uses 'not'"):
        llm.bind_tools([tool], strict=True).invoke("x")


def test_json_mode_needs_no_schema(llm: DomainLLM) -> None:
    assert isinstance(llm.with_structured_output(None, method="json_mode").invoke("x"), dict)
    with pytest.raises(ConfigError, match="is not a schema"):
        llm.with_structured_output(None)
    with pytest.raises(ConfigError, match=r"unknown method 'json'[\s\S]*json_mode"):
        llm.with_structured_output(DIGIT, method="json")


def test_text_cut_off_or_around_json_is_an_error_and_never_repaired() -> None:
    parser = AnswerParser(wanted=wanted_schema({"type": "object", "required": ["a"]}, "json_schema"), from_call=False)
    assert parser.parse('{"a": 1}') == {"a": 1}
    for text in ('{"a": 1', '```json\n{"a": 1}\n```', 'Sure: {"a": 1}', "", '{"b": 1}'):
        with pytest.raises(OutputParserException, match="the answer does not fit the schema"):
            parser.parse(text)


def test_an_answer_without_its_call_is_an_error_and_never_none() -> None:
    wanted = wanted_schema(Yes, "function_calling")
    parser = AnswerParser(wanted=wanted, from_call=True)
    cut = {"name": None, "args": '{"kind"', "id": None, "error": "cut off before its end", "type": "invalid_tool_call"}
    for message in (AIMessage("yes"), AIMessage("", invalid_tool_calls=[cut])):
        with pytest.raises(OutputParserException, match="no whole call of 'Yes'"):
            parser.parse_result([ChatGeneration(message=message)])


def test_streams_grow_and_end_in_the_whole_answer(llm: DomainLLM) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}, "b": DIGIT}, "required": ["a", "b"]}
    parts = list(llm.with_structured_output(schema).stream("x"))
    assert set(parts[-1]) == {"a", "b"}
    assert list(llm.with_structured_output(Yes).stream("x"))[-1].kind == "yes"


def test_an_answer_that_is_no_object_is_a_tool_s_one_argument() -> None:
    parameters = as_tool(wanted_schema(Yes | No, "function_calling"))["function"]["parameters"]
    assert parameters["required"] == ["answer"]
    assert set(parameters["$defs"]) == {"Yes", "No"}
    with pytest.raises(ConfigError, match="refers to itself by '#'"):
        as_tool(wanted_schema({"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}]}, "function_calling"))
    assert json.dumps(parameters)
