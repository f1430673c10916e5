"""Every road an adapter can take to the model: it arrives, or it is refused; never silently the base instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError
from tests.inference.tiny_adapters import build_adapters


@tool
def look(n: Literal[1, 2]) -> str:
    """Look something up."""
    return f"found {n}"


@pytest.fixture(scope="session")
def folders(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build_adapters(tiny_base, tmp_path_factory.mktemp("road_adapters"))


@pytest.fixture
def llm(tiny_base: str, folders: dict[str, str]) -> DomainLLM:
    return DomainLLM(base=tiny_base, max_tokens=8, adapters=dict(folders))


def used(answer: Any) -> str:
    """The adapter that answered, from the message or an agent's last one."""
    message = answer["messages"][-1] if isinstance(answer, dict) else answer
    return message.response_metadata["model_name"]


def configurable(llm: DomainLLM) -> Any:
    return llm.configurable_fields(adapter=ConfigurableField(id="adapter"))


def alternatives(llm: DomainLLM) -> Any:
    return llm.configurable_alternatives(
        ConfigurableField(id="expert"), default_key="none", red=llm.model_copy(update={"adapter": llm.adapters["red"]})
    )


RED: Any = {"configurable": {"adapter": "red"}}
EXPERT: Any = {"configurable": {"expert": "red"}}

ROADS: dict[str, Callable[[DomainLLM], Any]] = {
    "constructor": lambda m: m.model_copy(update={"adapter": m.adapters["red"]}).invoke("x"),
    "model=": lambda m: m.invoke("x", model="red"),
    "adapter=": lambda m: m.invoke("x", adapter=m.adapters["red"]),
    "bind": lambda m: m.bind(adapter="red").invoke("x"),
    "bind twice": lambda m: m.bind(adapter="red").bind(max_tokens=3).invoke("x"),
    "bind, then tools": lambda m: m.bind(adapter="red").bind_tools([look]).invoke("x"),
    "bind, config, then tools": lambda m: m.bind(adapter="red").with_config(tags=["t"]).bind_tools([look]).invoke("x"),
    "bind, then structure": lambda m: (
        m.bind(adapter="red", max_tokens=60)
        .with_structured_output({"type": "object", "properties": {"a": {"type": "integer"}}}, include_raw=True)
        .invoke("x")["raw"]
    ),
    "bind_tools(adapter=)": lambda m: m.bind_tools([look], adapter="red").invoke("x"),
    "batch": lambda m: m.batch(["x", "y"], model="red")[1],
    "chain": lambda m: (ChatPromptTemplate.from_messages([("human", "{q}")]) | m.bind(model="red")).invoke({"q": "x"}),
    "configurable": lambda m: configurable(m).invoke("x", RED),
    "configurable with_config": lambda m: configurable(m).with_config(**RED).invoke("x"),
    "configurable, then tools": lambda m: configurable(m).bind_tools([look]).invoke("x", RED),
    "configurable with_config, then tools": lambda m: configurable(m).with_config(**RED).bind_tools([look]).invoke("x"),
    "configurable, bind, then tools": lambda m: configurable(m).bind(max_tokens=4).bind_tools([look]).invoke("x", RED),
    "configurable, then structure": lambda m: (
        configurable(m)
        .with_structured_output({"type": "object", "properties": {"a": {"type": "integer"}}}, include_raw=True)
        .invoke("x", RED)["raw"]
    ),
    "configurable in a chain": lambda m: (
        (ChatPromptTemplate.from_messages([("human", "{q}")]) | configurable(m)).with_config(**RED).invoke({"q": "x"})
    ),
    "alternatives": lambda m: alternatives(m).invoke("x", EXPERT),
    "alternatives, then tools": lambda m: alternatives(m).bind_tools([look]).invoke("x", EXPERT),
    "fallbacks": lambda m: m.bind(model="red").with_fallbacks([m]).invoke("x"),
    "retry": lambda m: m.bind(model="red").with_retry().invoke("x"),
    "agent(constructor)": lambda m: create_agent(m.model_copy(update={"adapter": m.adapters["red"]}), [look]).invoke(
        ASK
    ),
    "agent(bind)": lambda m: create_agent(m.bind(adapter="red"), [look]).invoke(ASK),
    "agent(bind) without tools": lambda m: create_agent(m.bind(adapter="red"), []).invoke(ASK),
    "agent(configurable)": lambda m: create_agent(configurable(m), [look]).invoke(ASK, RED),
    "agent(configurable) without tools": lambda m: create_agent(configurable(m), []).invoke(ASK, RED),
    "agent(alternatives)": lambda m: create_agent(alternatives(m), [look]).invoke(ASK, EXPERT),
    "agent(middleware)": lambda m: create_agent(m, [look], middleware=[choose_red]).invoke(ASK),
    "agent(middleware) without tools": lambda m: create_agent(m, [], middleware=[choose_red]).invoke(ASK),
}
ASK: Any = {"messages": [("user", "x")]}


@wrap_model_call
def choose_red(request: Any, handler: Any) -> Any:
    return handler(request.override(model_settings={"adapter": "red"}))


@pytest.mark.parametrize("road", ROADS)
def test_the_adapter_arrives(llm: DomainLLM, folders: dict[str, str], road: str) -> None:
    assert used(ROADS[road](llm)) == folders["red"]


def test_the_answer_is_the_adapters(llm: DomainLLM) -> None:
    assert llm.invoke("x", model="red").content != llm.invoke("x").content


def test_the_base_alone_can_be_named(llm: DomainLLM, folders: dict[str, str], tiny_base: str) -> None:
    tuned = llm.model_copy(update={"adapter": folders["red"]})
    for options in ({"model": "base"}, {"adapter": "base"}, {"adapter": None}, {"model": tiny_base}):
        assert used(tuned.invoke("x", **options)) == tiny_base
        assert tuned.invoke("x", **options).content == llm.invoke("x").content
    assert used(tuned.invoke("x", model="red")) == folders["red"]


def test_a_batch_may_mix_adapters(llm: DomainLLM, folders: dict[str, str]) -> None:
    mixed = configurable(llm).batch(["x"] * 3, [{"configurable": {"adapter": a}} for a in ("red", None, "blue")])
    assert [used(m) for m in mixed] == [folders["red"], llm.base, folders["blue"]]


@pytest.mark.parametrize("name", ["rde", "/no/such/folder"])
def test_an_unknown_adapter_is_never_the_base(llm: DomainLLM, name: str) -> None:
    for road in (
        lambda: llm.invoke("x", model=name),
        lambda: llm.bind(adapter=name).invoke("x"),
        lambda: configurable(llm).invoke("x", {"configurable": {"adapter": name}}),
        lambda: create_agent(llm.bind(adapter=name), [look]).invoke(ASK),
    ):
        with pytest.raises(AdapterError, match="no such adapter folder"):
            road()


def test_contradictions_are_refused(llm: DomainLLM) -> None:
    with pytest.raises(ConfigError, match="contradict each other"):
        llm.invoke("x", model="red", adapter="blue")


def test_tools_over_a_strangers_alternative_are_refused(llm: DomainLLM) -> None:
    mixed = llm.configurable_alternatives(ConfigurableField(id="m"), other=FakeListChatModel(responses=["hi"]))
    with pytest.raises(ConfigError, match="the alternative 'other' is no DomainLLM"):
        mixed.bind_tools([look])
    assert (mixed | StrOutputParser()).invoke("x", {"configurable": {"m": "other"}}) == "hi"
