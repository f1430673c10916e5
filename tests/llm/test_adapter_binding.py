"""Every way to choose an adapter: the model uses it, or the call is refused. The base never answers instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import reduce
from operator import add
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware, wrap_model_call
from langchain.chat_models import init_chat_model
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import ConfigurableField, ConfigurableFieldSingleOption, RunnableParallel
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from pydantic import ValidationError

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError
from domainkit.inference.local import local_backend
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
    if isinstance(answer, dict):
        answer = [m for m in answer["messages"] if isinstance(m, AIMessage)][-1]
    return answer.response_metadata["model_name"]


def streamed(pieces: Any) -> Any:
    return reduce(add, pieces)


async def astreamed(pieces: AsyncIterator[Any]) -> Any:
    return streamed([piece async for piece in pieces])


def remembered(model: Any) -> Any:
    past = InMemoryChatMessageHistory()
    return RunnableWithMessageHistory(model, lambda session_id: past)


def with_room(llm: DomainLLM) -> DomainLLM:
    """Enough tokens for an answer held to a schema."""
    return llm.model_copy(update={"max_tokens": 60})


def configurable(llm: DomainLLM) -> Any:
    return llm.configurable_fields(adapter=ConfigurableField(id="adapter"))


def alternatives(llm: DomainLLM) -> Any:
    return llm.configurable_alternatives(
        ConfigurableField(id="expert"), default_key="none", red=llm.model_copy(update={"adapter": llm.adapters["red"]})
    )


def one_of_two(llm: DomainLLM) -> Any:
    field = ConfigurableFieldSingleOption(id="adapter", options={"red": "red", "none": "base"}, default="none")
    return llm.configurable_fields(adapter=field)


RED: Any = {"configurable": {"adapter": "red"}}
SHAPE = {"title": "Shape", "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
EXPERT: Any = {"configurable": {"expert": "red"}}

BINDINGS: dict[str, Callable[[DomainLLM], Any]] = {
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
    # A wrapping of a wrapping.
    "options": lambda m: one_of_two(m).invoke("x", RED),
    "alternatives, then structure": lambda m: (
        alternatives(with_room(m)).with_structured_output(SHAPE, include_raw=True).invoke("x", EXPERT)["raw"]
    ),
    "alternatives with_config, then tools": lambda m: (
        alternatives(m).with_config(**EXPERT).bind_tools([look]).invoke("x")
    ),
    "alternatives made late, then tools": lambda m: (
        m.configurable_alternatives(ConfigurableField(id="expert"), red=lambda: m.bind(model="red"))
        .bind_tools([look])
        .invoke("x", EXPERT)
    ),
    "alternatives to what is bound, then tools": lambda m: (
        m.bind(model="blue")
        .configurable_alternatives(ConfigurableField(id="expert"), red=m.bind(model="red"))
        .bind_tools([look])
        .invoke("x", EXPERT)
    ),
    "alternatives to a configurable, then tools": lambda m: (
        configurable(m)
        .configurable_alternatives(ConfigurableField(id="expert"), red=m.bind(model="red"))
        .bind_tools([look])
        .invoke("x", EXPERT)
    ),
    "configurable among alternatives, then tools": lambda m: (
        configurable(m)
        .configurable_alternatives(ConfigurableField(id="expert"), blue=m.bind(model="blue"))
        .bind_tools([look])
        .invoke("x", RED)
    ),
    "bind, then configurable, then tools": lambda m: (
        configurable(m.bind(max_tokens=4)).bind_tools([look]).invoke("x", RED)
    ),
    "listeners, bind, then tools": lambda m: (
        m.with_listeners(on_start=lambda run: None).bind(model="red").bind_tools([look]).invoke("x")
    ),
    "types, bind, then tools": lambda m: m.with_types(output_type=str).bind(model="red").bind_tools([look]).invoke("x"),
    "retry, bind, then tools": lambda m: m.with_retry().bind(model="red").bind_tools([look]).invoke("x"),
    "bind, retry, then tools": lambda m: m.bind(model="red").with_retry().bind_tools([look]).invoke("x"),
    "fallbacks, then bind": lambda m: m.with_fallbacks([m]).bind(model="red").invoke("x"),
    "fallbacks, bind, then tools": lambda m: m.with_fallbacks([m]).bind(model="red").bind_tools([look]).invoke("x"),
    "bind, fallbacks, then tools": lambda m: m.bind(model="red").with_fallbacks([m]).bind_tools([look]).invoke("x"),
    "bind, fallbacks, then structure": lambda m: (
        with_room(m).bind(model="red").with_fallbacks([m]).with_structured_output(SHAPE, include_raw=True).invoke("x")
    )["raw"],
    "configurable, fallbacks with_config, then tools": lambda m: (
        configurable(m).with_fallbacks([m]).with_config(**RED).bind_tools([look]).invoke("x")
    ),
    "a fallback takes over": lambda m: m.bind(regex="((").with_fallbacks([m.bind(model="red")]).invoke("x"),
    "side by side": lambda m: RunnableParallel(a=m.bind(model="red"), b=m).invoke("x")["a"],
    "history": lambda m: remembered(m.bind(model="red")).invoke([("user", "x")], SESSION),
    "history, configurable": lambda m: remembered(configurable(m)).invoke([("user", "x")], SESSION_RED),
    # Other verbs than invoke.
    "stream": lambda m: streamed(m.stream("x", model="red")),
    "stream, bind": lambda m: streamed(m.bind(model="red").stream("x")),
    "stream, configurable": lambda m: streamed(configurable(m).stream("x", RED)),
    "stream, alternatives": lambda m: streamed(alternatives(m).stream("x", EXPERT)),
    "astream, configurable": lambda m: asyncio.run(astreamed(configurable(m).astream("x", RED))),
    "ainvoke": lambda m: asyncio.run(m.ainvoke("x", model="red")),
    "ainvoke, configurable": lambda m: asyncio.run(configurable(m).ainvoke("x", RED)),
    "abatch, bind": lambda m: asyncio.run(m.bind(model="red").abatch(["x", "y"]))[1],
    "abatch, configurable": lambda m: asyncio.run(configurable(m).abatch(["x", "y"], RED))[1],
    "abatch, alternatives": lambda m: asyncio.run(alternatives(m).abatch(["x", "y"], EXPERT))[1],
    "batch, configurable": lambda m: configurable(m).batch(["x", "y"], RED)[1],
    "batch, alternatives, tools": lambda m: alternatives(m).bind_tools([look]).batch(["x", "y"], EXPERT)[1],
    "batch as completed": lambda m: dict(m.bind(model="red").batch_as_completed(["x", "y"]))[1],
    "generate": lambda m: m.generate([[AIMessage("x")]] * 2, model="red").generations[1][0].message,
    # More agents.
    "agent(alternatives) without tools": lambda m: create_agent(alternatives(m), []).invoke(ASK, EXPERT),
    "agent(configurable with_config)": lambda m: create_agent(configurable(m).with_config(**RED), [look]).invoke(ASK),
    "agent(configurable).with_config": lambda m: create_agent(configurable(m), [look]).with_config(**RED).invoke(ASK),
    "agent(fallbacks)": lambda m: create_agent(m.bind(model="red").with_fallbacks([m]), [look]).invoke(ASK),
    "agent(retry)": lambda m: create_agent(m.bind(model="red").with_retry(), [look]).invoke(ASK),
    "agent(middleware's model, constructor)": lambda m: create_agent(
        m, [look], middleware=[take(m.model_copy(update={"adapter": m.adapters["red"]}))]
    ).invoke(ASK),
    "agent(middleware's model, bind)": lambda m: create_agent(m, [look], middleware=[take(m.bind(model="red"))]).invoke(
        ASK
    ),
    "agent(middleware's model, configurable)": lambda m: create_agent(
        m, [look], middleware=[take(configurable(m))]
    ).invoke(ASK, RED),
    "agent(fallback middleware)": lambda m: create_agent(
        m.bind(regex="(("), [], middleware=[ModelFallbackMiddleware(m.bind(model="red"))]
    ).invoke(ASK),
    "agent(retry middleware)": lambda m: create_agent(
        m.bind(model="red"), [look], middleware=[ModelRetryMiddleware()]
    ).invoke(ASK),
    "agent(bind), structured": lambda m: create_agent(with_room(m).bind(model="red"), [], response_format=SHAPE).invoke(
        ASK
    ),
    "agent(configurable), structured": lambda m: create_agent(
        configurable(with_room(m)), [], response_format=SHAPE
    ).invoke(ASK, RED),
    "agent(alternatives), structured": lambda m: create_agent(
        alternatives(with_room(m)), [], response_format=SHAPE
    ).invoke(ASK, EXPERT),
    "agent(bind), async": lambda m: asyncio.run(create_agent(m.bind(model="red"), [look]).ainvoke(ASK)),
    "agent(configurable), async": lambda m: asyncio.run(create_agent(configurable(m), [look]).ainvoke(ASK, RED)),
    "agent(alternatives), async": lambda m: asyncio.run(create_agent(alternatives(m), [look]).ainvoke(ASK, EXPERT)),
    "agent(configurable), batch": lambda m: create_agent(configurable(m), [look]).batch([ASK, ASK], RED)[1],
    "agent(bind), stream": lambda m: list(create_agent(m.bind(model="red"), []).stream(ASK, stream_mode="values"))[-1],
}
SESSION: Any = {"configurable": {"session_id": "1"}}
SESSION_RED: Any = {"configurable": {"session_id": "1", "adapter": "red"}}
ASK: Any = {"messages": [("user", "x")]}


@wrap_model_call
def choose_red(request: Any, handler: Any) -> Any:
    return handler(request.override(model_settings={"adapter": "red"}))


def take(model: Any) -> Any:
    @wrap_model_call
    def change(request: Any, handler: Any) -> Any:
        return handler(request.override(model=model))

    return change


# LangChain has deprecated its message history. Until it is removed, it must pass the adapter on.
@pytest.mark.filterwarnings("ignore:.*MessageHistory:DeprecationWarning")
@pytest.mark.parametrize("binding", BINDINGS)
def test_the_adapter_arrives(llm: DomainLLM, folders: dict[str, str], binding: str) -> None:
    assert used(BINDINGS[binding](llm)) == folders["red"]


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


@pytest.mark.parametrize("binding", [configurable, alternatives])
def test_a_batch_with_adapters_by_config_shares_passes(llm: DomainLLM, tiny_base: str, binding: Any) -> None:
    engine = local_backend(tiny_base).engine()
    configs: list[Any] = [[RED, {}][i % 2] if binding is configurable else [EXPERT, {}][i % 2] for i in range(24)]
    binding(llm).batch(["warm"], [configs[0]])
    before = engine.executor.n_passes
    binding(llm).batch([f"n{i}" for i in range(24)], configs)
    assert engine.executor.n_passes - before < 2.5 * llm.max_tokens, (
        "six threads would take four times as many as one answer"
    )


@pytest.mark.parametrize("name", ["rde", "/no/such/folder"])
def test_an_unknown_adapter_is_never_the_base(llm: DomainLLM, name: str) -> None:
    for binding in (
        lambda: llm.invoke("x", model=name),
        lambda: llm.bind(adapter=name).invoke("x"),
        lambda: configurable(llm).invoke("x", {"configurable": {"adapter": name}}),
        lambda: create_agent(llm.bind(adapter=name), [look]).invoke(ASK),
    ):
        with pytest.raises(AdapterError, match="no such adapter folder"):
            binding()


def test_contradictions_are_refused(llm: DomainLLM) -> None:
    with pytest.raises(ConfigError, match="contradict each other"):
        llm.invoke("x", model="red", adapter="blue")


def test_tools_over_a_strangers_alternative_are_refused(llm: DomainLLM) -> None:
    mixed = llm.configurable_alternatives(ConfigurableField(id="m"), other=FakeListChatModel(responses=["hi"]))
    with pytest.raises(ConfigError, match="the alternative 'other' is not a DomainLLM"):
        mixed.bind_tools([look])
    assert (mixed | StrOutputParser()).invoke("x", {"configurable": {"m": "other"}}) == "hi"


def test_what_is_bound_to_the_default_stays_its_own(llm: DomainLLM, folders: dict[str, str]) -> None:
    """Tools are bound to all alternatives at once; the default's adapter is not."""
    both = llm.bind(model="red").configurable_alternatives(ConfigurableField(id="expert"), blue=llm.bind(model="blue"))
    assert used(both.bind_tools([look]).invoke("x")) == folders["red"]
    assert used(both.bind_tools([look]).invoke("x", {"configurable": {"expert": "blue"}})) == folders["blue"]


def test_fallbacks_keep_their_own(llm: DomainLLM, folders: dict[str, str]) -> None:
    failing = llm.bind(regex="((").with_fallbacks([llm.bind(model="blue")])
    assert used(failing.bind_tools([look]).invoke("x")) == folders["blue"]
    shaped = with_room(llm).bind(timeout=1e-9).with_fallbacks([with_room(llm).bind(model="blue")])
    raw = shaped.with_structured_output(SHAPE, include_raw=True).invoke("x")
    assert used(raw.get("raw", raw)) == folders["blue"]


@pytest.mark.parametrize("named", ["adapter", "model", "max_tokens"])
def test_a_config_that_would_have_no_effect_is_refused(llm: DomainLLM, named: str) -> None:
    for model in (llm, llm.bind(seed=1), llm.with_retry()):
        with pytest.raises(
            ConfigError,
            match=rf"'{named}' is set as configurable, but this field of the model was not made configurable",
        ):
            model.with_config(configurable={named: "red"})
    llm.with_config(configurable={"thread_id": "1"}, tags=["t"]).invoke("x")


def test_a_bound_value_cannot_be_made_configurable(llm: DomainLLM) -> None:
    for bound in (llm.bind(adapter="red"), llm.bind(model="red")):
        with pytest.raises(ConfigError, match="is bound already, so a config could not change it"):
            configurable(bound)


def test_an_unknown_alternative_is_refused(llm: DomainLLM) -> None:
    with pytest.raises(ValueError, match="Unknown alternative: rde"):
        alternatives(llm).bind_tools([look]).invoke("x", {"configurable": {"expert": "rde"}})


def test_the_constructor_takes_no_model(tiny_base: str) -> None:
    with pytest.raises(ValidationError, match="model"):
        DomainLLM(base=tiny_base, model="red")  # type: ignore[call-arg]


def test_init_chat_model_refuses() -> None:
    """Its table of providers is closed; a name of ours must not become another library's model."""
    for name in ("domainkit:red", "builtin:smollm2-135m"):
        with pytest.raises(ValueError, match="Unable to infer model provider"):
            init_chat_model(name)
    with pytest.raises(ValueError, match="Unsupported provider='domainkit'"):
        init_chat_model("red", model_provider="domainkit")
