"""LangChain's own client for OpenAI against the server. Its standard suite: benchmarks/serving/standard_suite.py."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from domainkit import DomainLLM
from domainkit.serving.state import State


@pytest.fixture
def model(address: str) -> ChatOpenAI:
    options: Any = {"model": "red", "base_url": f"{address}/v1", "api_key": "none", "max_tokens": 160}
    return ChatOpenAI(**options, stream_usage=True, use_responses_api=False)


@tool
def weigh(grams: int) -> str:
    """Weigh the hive."""
    return f"{grams} g"


async def test_texts_and_usage_are_domainllms(model: ChatOpenAI, tiny_base: str, state: State) -> None:
    ours = DomainLLM(base=tiny_base, adapter=state.models.find_engine("red").adapter, max_tokens=24)
    turns = [SystemMessage("Be brief."), HumanMessage("a"), HumanMessage("b")]
    expected = ours.invoke(turns)
    answer = await model.ainvoke(turns, max_tokens=24)
    assert answer.text == expected.text
    streamed = [chunk async for chunk in model.astream(turns, max_tokens=24)]
    whole = sum(streamed[1:], streamed[0])
    assert whole.text == expected.text
    assert expected.usage_metadata is not None
    for found in (answer.usage_metadata, whole.usage_metadata):
        assert found is not None
        assert found["total_tokens"] == expected.usage_metadata["total_tokens"]
    assert whole.response_metadata["model_name"] == state.models.find("red").id
    assert model.invoke(turns, max_tokens=24, stop=[expected.text[3]]).text == expected.text[:3]


def test_tools_are_called_and_answered(model: ChatOpenAI) -> None:
    bound = model.bind_tools([weigh], tool_choice="any", parallel_tool_calls=False)
    called = bound.invoke("how heavy?")
    [call] = called.tool_calls
    assert (call["name"], set(call["args"])) == ("weigh", {"grams"})
    chunks = list(bound.stream("how heavy?"))
    assert sum(chunks[1:], chunks[0]).tool_calls[0]["args"] == call["args"]
    turns = [HumanMessage("how heavy?"), called, ToolMessage("3 g", tool_call_id=str(call["id"]))]
    assert model.bind_tools([weigh]).invoke(turns).usage_metadata


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of the client's own copy of the parsed answer
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_fits(model: ChatOpenAI, method: Any) -> None:
    class Hive(BaseModel):
        """A hive."""

        queen: bool
        frames: int | None = None

    held: Any = model.with_structured_output(Hive, method=method)
    assert isinstance(held.invoke("tell"), Hive)
    assert isinstance(list(held.stream("tell"))[-1], Hive)


@pytest.mark.real
def test_embeddings(address: str) -> None:
    options: Any = {"model": "builtin:minilm", "base_url": f"{address}/v1", "api_key": "none"}
    vectors = OpenAIEmbeddings(**options, check_embedding_ctx_length=False)
    assert len(vectors.embed_query("wax")) == 384
