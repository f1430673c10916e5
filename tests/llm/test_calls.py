"""A call's options become one Request; what contradicts itself, or is unknown, is refused with the near name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError
from domainkit.llm.calls import (
    base_settings,
    check_options,
    find_adapter,
    json_schema,
    make_request,
    normalize_tool_choice,
    request_schema,
    request_tools,
)


class Person(BaseModel):
    """A person."""

    age: int


class Form(TypedDict):
    """A form."""

    age: int


SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def test_a_call_s_options_override_the_fields() -> None:
    llm = DomainLLM(backend="echo", temperature=0.5, max_tokens=9, stop=["."], seed=1)
    request = make_request(llm, [], None, {"max_tokens": 3, "temperature": 0.0, "choices": ["a", "b"]})
    assert (request.max_tokens, request.temperature, request.seed) == (3, 0.0, 1)
    assert (request.stop, request.choices) == ((".",), ("a", "b"))
    assert make_request(llm, [], ["!"], {}).stop == ("!",)
    assert make_request(llm, [], None, {"stop": "?"}).stop == ("?",)


def test_an_unknown_option_is_refused_with_the_near_one() -> None:
    check_options(["max_tokens", "strict", "stream"])
    with pytest.raises(ConfigError, match=r"unknown option 'max_token'[\s\S]*did you mean 'max_tokens'"):
        check_options(["max_token"])


def test_adapters_are_found_by_name_folder_and_task(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    llm = DomainLLM(adapters={"r": str(tmp_path / "red")})
    assert find_adapter(llm, "r") == find_adapter(llm, str(tmp_path / "red")) == str(tmp_path / "red")
    assert find_adapter(llm, "r#b") == f"{tmp_path / 'red'}#b"
    with pytest.raises(AdapterError, match=r"no such adapter folder[\s\S]*did you mean 'base'"):
        find_adapter(llm, "bas")
    assert make_request(llm, [], None, {"model": "r"}).adapter == str(tmp_path / "red")
    assert make_request(llm, [], None, {"model": "base"}).adapter is None
    with pytest.raises(ConfigError, match="adapter='r' and model='base' contradict each other"):
        make_request(llm, [], None, {"model": "base", "adapter": "r"})


def test_the_base_is_the_field_s_else_the_adapter_s(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/name", "revision": "abc"}')
    assert base_settings(DomainLLM()) == (None, None, "auto")
    assert base_settings(DomainLLM(adapter=str(tmp_path))) == ("owner/name", "abc", "auto")
    given = DomainLLM(adapter=str(tmp_path), base="other", quantization="nf4")
    assert base_settings(given) == ("other", None, "nf4")


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, "auto"),
        (False, "auto"),
        (True, "any"),
        ("required", "any"),
        ("none", "none"),
        ("look", "look"),
        ({"type": "function", "function": {"name": "look"}}, "look"),
    ],
)
def test_every_spelling_of_a_tool_choice_is_one_name(choice: Any, name: str) -> None:
    assert normalize_tool_choice(choice, ["look"]) == name


def test_a_choice_of_no_tool_offers_none_and_an_unknown_one_is_refused() -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    assert request_tools({"tools": [tool], "tool_choice": "none"}) == ((), "auto")
    with pytest.raises(ConfigError, match=r"'lok', which is not a bound tool[\s\S]*did you mean 'look'"):
        request_tools({"tools": [tool], "tool_choice": "lok"})


@pytest.mark.parametrize("schema", [SCHEMA, Person, Form])
def test_every_form_of_a_schema_becomes_json_schema(schema: Any) -> None:
    assert json_schema(schema)["properties"]["age"]["type"] == "integer"


def test_openai_s_response_format_is_a_schema() -> None:
    assert request_schema({}) is None
    assert request_schema({"response_format": {"type": "text"}}) is None
    assert request_schema({"response_format": {"type": "json_object"}}) == {"type": "object"}
    named = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert request_schema({"response_format": named}) == request_schema({"json_schema": SCHEMA}) == SCHEMA
    with pytest.raises(ConfigError, match="response_format='json' is unknown"):
        request_schema({"response_format": "json"})
