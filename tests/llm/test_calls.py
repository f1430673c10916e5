"""A call's options become one Request; what contradicts itself, is unknown or cannot be used is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool
from pydantic import BaseModel

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError
from domainkit.inference.backend import Request
from domainkit.llm.calls import make_request, normalize_tool_choice, read_options
from domainkit.llm.settings import base_settings, find_adapter

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {}}}
HEAR = {"type": "function", "function": {"name": "hear", "parameters": {}}}


def request(**options: Any) -> Request:
    return make_request(DomainLLM(backend="echo"), [], None, options)


class Node(BaseModel):
    """Holds itself."""

    value: int
    kids: list[Node] = []


def test_a_call_s_options_override_the_fields() -> None:
    llm = DomainLLM(backend="echo", temperature=0.5, max_tokens=9, stop=["."], seed=1)
    request = make_request(llm, [], None, {"max_tokens": 3, "temperature": 0.0, "choices": ["a", "b"]})
    assert (request.max_tokens, request.temperature, request.seed) == (3, 0.0, 1)
    assert (request.stop, request.choices) == ((".",), ("a", "b"))
    assert make_request(llm, [], ["!"], {}).stop == ("!",)
    assert make_request(llm, [], None, {"stop": "?"}).stop == ("?",)


def test_an_unknown_option_is_refused_with_the_near_one() -> None:
    read_options({"max_tokens": 1, "strict": True, "stream": True})
    with pytest.raises(ConfigError, match=r"unknown option 'max_token'[\s\S]*did you mean 'max_tokens'"):
        read_options({"max_token": 1})


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
    "option",
    [
        {"max_tokens": 0},
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_p": 1.5},
        {"seed": "a"},
        {"timeout": 0},
        {"stop": [""]},
        {"choices": "abc"},
        {"choices": []},
        {"choices": [1, 2]},
        {"regex": ""},
        {"parallel_tool_calls": "perhaps"},
        {"tools": LOOK},
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused_with_the_option_s_name(option: dict[str, Any]) -> None:
    (name,) = option
    for call in (lambda: request(**option), lambda: DomainLLM(backend="echo").bind(**option)):
        with pytest.raises(ConfigError, match=f"{name}=.* is not a value of this option"):
            call()


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, "auto"),
        (False, "auto"),
        ({"type": "auto"}, "auto"),
        (True, "any"),
        ("required", "any"),
        ({"type": "any"}, "any"),
        ({"type": "required"}, "any"),
        ("none", "none"),
        ({"type": "none"}, "none"),
        ("look", "look"),
        ({"type": "function", "function": {"name": "look"}}, "look"),
        ({"type": "function", "name": "look"}, "look"),
        ({"type": "tool", "name": "look"}, "look"),
        ({"name": "look"}, "look"),
    ],
)
def test_every_spelling_of_a_tool_choice_is_one_name(choice: Any, name: str) -> None:
    assert normalize_tool_choice(choice, ["look"]) == name


@pytest.mark.parametrize(
    "choice", ["lok", {}, {"type": "lok"}, {"type": "tool"}, {"function_calling_config": {"mode": "ANY"}}, 3, ["look"]]
)
def test_a_tool_choice_that_names_nothing_is_refused(choice: Any) -> None:
    for call in (
        lambda: request(tools=[LOOK], tool_choice=choice),
        lambda: DomainLLM(backend="echo").bind_tools([LOOK], tool_choice=choice),
    ):
        with pytest.raises(ConfigError, match=r"tool_choice names .* which is not a bound tool[\s\S]*look"):
            call()


def test_a_tool_named_like_a_mode_is_not_chosen_by_mistake() -> None:
    clash = {"type": "function", "function": {"name": "any", "parameters": {}}}
    with pytest.raises(ConfigError, match="tool_choice names 'any'"):
        request(tools=[clash, LOOK], tool_choice={"type": "tool", "name": "any"})


def test_no_tool_none_and_the_allowed_ones() -> None:
    assert request(tools=[LOOK], tool_choice="none").tools == ()
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "hear"}]}
    for choice in (allowed, {"type": "allowed_tools", "allowed_tools": allowed}):
        found = request(tools=[LOOK, HEAR], tool_choice=choice)
        assert (found.tools, found.tool_choice) == ((HEAR,), "any")
    with pytest.raises(ConfigError, match="allows no tool"):
        request(tools=[LOOK], tool_choice={"type": "allowed_tools", "tools": []})


def test_parallel_calls_are_taken_in_both_spellings() -> None:
    assert request(tools=[LOOK]).parallel_tool_calls
    assert not request(tools=[LOOK], parallel_tool_calls=False).parallel_tool_calls
    one = {"type": "auto", "disable_parallel_tool_use": True}
    assert not request(tools=[LOOK], tool_choice=one).parallel_tool_calls


@pytest.mark.parametrize("wrong", [{"type": "web_search"}, {"type": "function", "function": {}}, 5, "look", {}])
def test_what_is_no_tool_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="not a tool that this model can call"):
        request(tools=[wrong])


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two tools are named 'look'"):
        request(tools=[LOOK, LOOK])


def test_arguments_that_hold_themselves_keep_their_schema() -> None:
    @tool
    def grow(node: Node) -> str:
        """Grow."""
        return ""

    for given in (Node, grow):
        parameters = request(tools=[given]).tools[0]["function"]["parameters"]
        assert parameters["$defs"]["Node"]["properties"]["kids"]["items"] == {"$ref": "#/$defs/Node"}


def test_openai_s_response_format_is_a_schema_and_is_strict_where_it_says_so() -> None:
    named = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    assert request().json_schema is request(response_format={"type": "text"}).json_schema is None
    assert request(response_format={"type": "json_object"}).json_schema == {"type": "object"}
    assert request(response_format=named).json_schema == request(json_schema=SCHEMA).json_schema == SCHEMA
    assert not request(response_format=named).strict
    strict = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
    assert request(response_format=strict).strict
    assert not request(response_format=strict, strict=False).strict
    with pytest.raises(ConfigError, match="response_format='json' is unknown"):
        request(response_format="json")
    with pytest.raises(ConfigError, match="json_schema and response_format are both given"):
        request(response_format=named, json_schema=SCHEMA)
