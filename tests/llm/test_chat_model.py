"""DomainLLM as LangChain sees it, on the tiny base."""

from __future__ import annotations

import asyncio
import pickle
import time
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.tools import tool
from pydantic import BaseModel, ValidationError

from domainkit import DomainLLM
from domainkit.errors import AdapterError, ConfigError, RequestError
from domainkit.inference.local import local_backend
from tests.inference.tiny_adapters import build_adapters


class Person(BaseModel):
    """A person."""

    age: int


class Form(TypedDict):
    """A form."""

    age: int


SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@tool
def look(n: Literal[1, 2]) -> str:
    """Look something up."""
    return f"found {n}"


@pytest.fixture(scope="session")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return build_adapters(tiny_base, tmp_path_factory.mktemp("llm_adapters"))


@pytest.fixture
def llm(tiny_base: str, adapters: dict[str, str]) -> DomainLLM:
    return DomainLLM(base=tiny_base, max_tokens=12, adapters={"red": adapters["red"], "blue": adapters["blue"]})


# ---- construction


def test_construction_loads_nothing_and_a_missing_adapter_is_found_at_once(tmp_path: Path) -> None:
    DomainLLM(base="/no/such/base", api_key="k", timeout=3, max_retries=1, stop=[], streaming=True)
    with pytest.raises(AdapterError, match="no such adapter folder"):
        DomainLLM(adapter=tmp_path / "none")
    with pytest.raises(AdapterError, match=r"adapter_config\.json is missing"):
        DomainLLM(adapter=tmp_path)


def test_a_wrong_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="adaptor"):
        DomainLLM(adaptor="x")
    with pytest.raises(ValidationError, match="temperature"):
        DomainLLM(temperature=-1)


def test_an_unknown_option_of_a_call_names_the_near_one(llm: DomainLLM) -> None:
    for call in (
        lambda: llm.invoke("x", max_token=3),
        lambda: llm.bind(max_token=3),
        lambda: next(llm.stream("x", max_token=3)),
    ):
        with pytest.raises(ConfigError, match=r"unknown option 'max_token'[\s\S]*did you mean 'max_tokens'"):
            call()


def test_base_and_quantisation_come_from_the_adapter(tiny_base: str, adapters: dict[str, str]) -> None:
    assert DomainLLM(adapter=adapters["red"]).identity()["base"] == tiny_base
    assert DomainLLM(adapter=Path(adapters["red"])).invoke("x", max_tokens=2).content


# ---- answers


def test_an_answer_carries_usage_and_metadata(llm: DomainLLM, tiny_base: str) -> None:
    answer = llm.invoke([SystemMessage("be brief"), HumanMessage("hi")])
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == llm.get_num_tokens_from_messages(
        [SystemMessage("be brief"), HumanMessage("hi")]
    )
    meta = answer.response_metadata
    assert meta["model_name"] == tiny_base
    assert meta["finish_reason"] in ("stop", "length")
    assert meta["prefill_seconds"] > 0
    assert meta["decode_seconds"] >= 0


def test_all_ways_to_ask_agree(llm: DomainLLM) -> None:
    whole = llm.invoke("tell me").content

    async def asynchronous() -> list[Any]:
        chunks = [c.content async for c in llm.astream("tell me")]
        many = await llm.abatch(["tell me", "other"])
        return ["".join(chunks), (await llm.ainvoke("tell me")).content, many[0].content]

    assert {*asyncio.run(asynchronous()), "".join(str(c.content) for c in llm.stream("tell me"))} == {whole}
    assert llm.batch(["tell me", "other"])[0].content == whole
    assert llm.generate([[HumanMessage("tell me")], [HumanMessage("other")]]).generations[0][0].text == whole


def test_a_stream_says_usage_once_and_ends_with_the_last_chunk(llm: DomainLLM) -> None:
    chunks = list(llm.stream("tell me"))
    assert [c.usage_metadata is not None for c in chunks].count(True) == 1
    assert isinstance(chunks[-1], AIMessageChunk)
    assert chunks[-1].chunk_position == "last"


def test_call_options_win_over_fields(llm: DomainLLM) -> None:
    short = llm.invoke("x", max_tokens=2)
    assert short.usage_metadata
    assert short.usage_metadata["output_tokens"] <= 2
    assert llm.invoke("x", temperature=5.0, seed=1).content == llm.invoke("x", temperature=5.0, seed=1).content
    assert llm.invoke("x", temperature=5.0, seed=1).content != llm.invoke("x").content
    whole = str(llm.invoke("x").content)
    stop = whole[2:4]
    assert llm.invoke("x", stop=[stop]).content == whole[: whole.find(stop)]
    assert llm.bind(stop=stop).invoke("x").content == whole[: whole.find(stop)]
    assert llm.model_copy(update={"stop": [stop]}).invoke("x").content == whole[: whole.find(stop)]


def test_choices_and_their_probabilities(llm: DomainLLM) -> None:
    answer = llm.bind(choices=["yes", "no"], logprobs=True).invoke("well?")
    shares = answer.response_metadata["choice_probabilities"]
    assert answer.content in ("yes", "no")
    assert set(shares) == {"yes", "no"}
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(t["token"] for t in tokens) == answer.content


def test_batches_share_passes(llm: DomainLLM, tiny_base: str) -> None:
    llm.invoke("warm")
    engine = local_backend(tiny_base).engine()
    before = engine.executor.n_passes
    answers = llm.batch([f"n{i}" for i in range(32)])
    assert len(answers) == 32
    assert engine.executor.n_passes - before < 60, "32 answers of 12 tokens one by one would take 384"


def test_batches_keep_order_and_failures_apart(llm: DomainLLM) -> None:
    inputs: list[Any] = ["a", "x " * 2000, "b"]
    results = llm.batch(inputs, return_exceptions=True)
    assert isinstance(results[1], RequestError)
    assert [r.content for r in (results[0], results[2])] == [llm.invoke("a").content, llm.invoke("b").content]
    assert sorted(i for i, _ in llm.batch_as_completed(["a", "b", "c"])) == [0, 1, 2]
    assert len(llm.batch(["a", "b", "c"], {"max_concurrency": 1})) == 3


def test_generate_runs_callbacks_for_each_prompt(llm: DomainLLM) -> None:
    class Count(BaseCallbackHandler):
        ended = 0

        def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
            self.ended += 1

    count = Count()
    result = llm.generate([[HumanMessage(str(i))] for i in range(5)], callbacks=[count])
    assert count.ended == 5
    assert len(result.generations) == 5
    assert result.run is not None
    assert len(result.run) == 5


def test_a_callback_may_ask_the_model(llm: DomainLLM) -> None:
    class Nested(BaseCallbackHandler):
        raise_error = True
        said: ClassVar[list[Any]] = []

        def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
            self.said.append(llm.invoke("inner", max_tokens=2).content)

    nested = Nested()
    llm.batch(["a", "b", "c"], {"callbacks": [nested]})
    assert len(nested.said) == 3


def test_a_cancelled_call_frees_its_slot(llm: DomainLLM, tiny_base: str) -> None:
    async def impatient() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(llm.ainvoke("on", max_tokens=1900), 0.3)
        stream = llm.astream("on", max_tokens=1900)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(impatient())
    engine = local_backend(tiny_base).engine()
    end = time.monotonic() + 10
    while engine.busy and time.monotonic() < end:
        time.sleep(0.01)
    assert engine.busy == 0


def test_images_and_unknown_roles_are_refused(llm: DomainLLM) -> None:
    with pytest.raises(RequestError, match="block of type 'image_url'; the model reads text only"):
        llm.invoke([HumanMessage([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": "data:"}])])
    from langchain_core.messages import ChatMessage

    with pytest.raises(RequestError, match="a message of type 'critic' has no role"):
        llm.invoke([ChatMessage("x", role="critic")])


def test_token_counts_are_the_tokenizers(llm: DomainLLM) -> None:
    assert llm.get_num_tokens("abc") == 3
    assert len(llm.get_token_ids("<|end|>")) == 7


# ---- tools and structure


@pytest.mark.parametrize(
    "choice", ["any", "look", "required", True, {"type": "function", "function": {"name": "look"}}]
)
def test_a_forced_tool_is_called(llm: DomainLLM, choice: Any) -> None:
    bound = llm.bind_tools([look, Person], tool_choice=choice, max_tokens=120)
    answer = bound.invoke("hi")
    assert len(answer.tool_calls) == 1
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    if choice in ("look",) or isinstance(choice, dict):
        assert answer.tool_calls[0]["name"] == "look"
        assert isinstance(answer.tool_calls[0]["args"]["n"], int)
    full: Any = None
    for chunk in bound.stream("hi"):
        full = chunk if full is None else full + chunk
    assert [(c["name"], c["args"]) for c in full.tool_calls] == [(c["name"], c["args"]) for c in answer.tool_calls]


def test_tool_choice_none_and_unknown(llm: DomainLLM) -> None:
    assert not llm.bind_tools([look], tool_choice="none").invoke("hi").tool_calls
    with pytest.raises(ConfigError, match=r"'lok', which is not a bound tool[\s\S]*did you mean 'look'"):
        llm.bind_tools([look], tool_choice="lok")


def test_results_of_tools_are_read(llm: DomainLLM) -> None:
    call = {"name": "look", "args": {"n": 1}, "id": "c1", "type": "tool_call"}
    said = [HumanMessage("x"), AIMessage("", tool_calls=[call]), ToolMessage("found", tool_call_id="c1")]
    assert llm.get_num_tokens_from_messages(said) > llm.get_num_tokens_from_messages(said[:1])
    assert isinstance(llm.bind_tools([look]).invoke(said), AIMessage)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize(
    "schema, kind", [(Person, Person), (Form, dict), (SCHEMA, dict)], ids=["pydantic", "typeddict", "json"]
)
def test_structured_output(llm: DomainLLM, schema: Any, kind: type, method: Any) -> None:
    chain = llm.with_structured_output(schema, method=method, max_tokens=150)
    found = chain.invoke("x")
    assert isinstance(found, kind)
    assert isinstance(found.age if kind is Person else found["age"], int)


def test_structured_output_with_raw_and_errors(llm: DomainLLM) -> None:
    good = llm.with_structured_output(Person, include_raw=True, max_tokens=60).invoke("x")
    assert isinstance(good["parsed"], Person)
    assert good["parsing_error"] is None
    assert isinstance(good["raw"], AIMessage)
    cut = llm.with_structured_output(Person, include_raw=True, max_tokens=2).invoke("x")
    assert cut["parsed"] is None
    assert cut["parsing_error"] is not None
    with pytest.raises(ConfigError, match="unknown method 'json'"):
        llm.with_structured_output(Person, method="json")
    assert llm.profile is not None
    assert llm.profile["structured_output"] is True


def test_openai_response_format(llm: DomainLLM) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    assert str(llm.invoke("x", response_format=form, max_tokens=60).content).startswith('{"age": ')
    with pytest.raises(ConfigError, match="response_format="):
        llm.invoke("x", response_format={"type": "xml"})


# ---- identity and caching


def test_cache_keys_tell_everything_apart(llm: DomainLLM, adapters: dict[str, str], tiny_base: str) -> None:
    keys = [
        llm._get_llm_string(),
        llm._get_llm_string(stop=["x"]),
        *(
            llm._get_llm_string(**o)
            for o in ({"model": "red"}, {"model": "blue"}, {"temperature": 1.0}, {"choices": ["a"]})
        ),
        *(llm._get_llm_string(**o) for o in ({"max_tokens": 3}, {"seed": 1}, {"regex": "a"}, {"json_schema": SCHEMA})),
        llm.model_copy(update={"quantization": "nf4"})._get_llm_string(),
        llm.bind_tools([look]).bound._get_llm_string(tools=[look]),  # type: ignore[attr-defined]
    ]
    assert len(set(keys)) == len(keys)
    assert llm._get_llm_string(model="red") == llm._get_llm_string(adapter=adapters["red"])
    own = DomainLLM(base=tiny_base, max_tokens=12, adapter=adapters["red"])
    assert own._get_llm_string() == llm._get_llm_string(model="red")


def test_langchains_cache_gives_no_other_models_answer(llm: DomainLLM) -> None:
    cached = llm.model_copy(update={"cache": InMemoryCache()})
    base, red = cached.invoke("x"), cached.invoke("x", model="red")
    assert base.content != red.content
    assert cached.invoke("x").content == base.content
    assert cached.invoke("x", model="red").content == red.content


def test_traces_name_the_model_that_answered(llm: DomainLLM) -> None:
    assert llm._get_ls_params(model="red")["ls_model_name"] == "red"
    assert llm._get_ls_params(stop=["x"])["ls_stop"] == ["x"]
    assert llm._identifying_params["model"]["base_fingerprint"]


def test_pickling_keeps_the_model(llm: DomainLLM) -> None:
    llm.invoke("x")
    assert pickle.loads(pickle.dumps(llm)).invoke("x").content == llm.invoke("x").content


def test_other_backends_answer_too() -> None:
    echo = DomainLLM(backend="echo")
    assert echo.invoke("say this").content == "say this"
    assert "".join(str(c.content) for c in echo.stream("say this")) == "say this"
    assert asyncio.run(echo.ainvoke("say this")).content == "say this"
    with pytest.raises(ConfigError, match="unknown backend 'ecko'"):
        DomainLLM(backend="ecko").invoke("x")
