"""DomainLLM(backend="server"): every chain and call of the local model works unchanged with a real server.

The server computes the same base with transformers' own generate, so greedy answers must be those of the local backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from pydantic import BaseModel, SecretStr

from chains import answer_chain
from chains.agent import answer_agent
from domainkit import DomainLLM, Example, build_retriever
from domainkit.corpus.document import Document
from domainkit.corpus.example import Turn
from domainkit.errors import AdapterError, ConfigError, DomainkitError
from domainkit.export.vllm import adapter_name
from tests.inference.server.conftest import lora_folder
from tests.inference.server.openai_server import KEY, serve

WORDS = ("amber", "birch", "cedar")
QUESTIONS = [f"What is {word}?" for word in WORDS]
SHOTS = [
    Example(turns=(Turn(role="user", content=q), Turn(role="assistant", content=a)))
    for q, a in (("What is dove?", "a bird"), ("What is elm?", "a tree"))
]


@pytest.fixture(scope="module")
def adapter(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(lora_folder(tmp_path_factory.mktemp("served") / "legal", tiny_base, 1))


@pytest.fixture(scope="module")
def models(tiny_base: str, adapter: str) -> Iterator[dict[str, DomainLLM]]:
    """The same model here and at a server."""
    with serve(tiny_base, {adapter_name(Path(adapter)): adapter}) as url:
        shared: dict[str, Any] = {"base": tiny_base, "max_tokens": 8, "adapters": {"legal": adapter}}
        yield {
            "local": DomainLLM(**shared, quantization="none"),
            "server": DomainLLM(**shared, backend="server", backend_options={"url": url}, api_key=SecretStr(KEY)),
        }


@pytest.fixture(scope="module")
def retriever() -> BaseRetriever:
    return build_retriever(
        [Document(id=w, title=w, text=f"{w} is number {i}.", source="") for i, w in enumerate(WORDS)],
        kind="lexical",
        k=1,
    )


def both(models: dict[str, DomainLLM], run: Any) -> Any:
    """What `run` makes of the model here, after checking that the server's is the same."""
    here, there = run(models["local"]), run(models["server"])
    assert there == here
    return here


def test_a_chain_answers_the_same_by_every_call(models: dict[str, DomainLLM], retriever: BaseRetriever) -> None:
    def run(llm: DomainLLM) -> Any:
        chain = answer_chain(llm, shots=SHOTS, retriever=retriever, instruction="Be brief.")
        one = chain.invoke(QUESTIONS[0])
        assert one.usage_metadata is not None
        return (
            one.text,
            [p["id"] for p in one.response_metadata["passages"]],
            one.usage_metadata["input_tokens"],
            [m.text for m in chain.batch(QUESTIONS)],
            "".join(piece.text for piece in chain.stream(QUESTIONS[1])),
            asyncio.run(chain.ainvoke(QUESTIONS[2])).text,
        )

    text, ids, tokens, batch, streamed, awaited = both(models, run)
    assert (ids, batch[0], streamed, awaited) == (["amber"], text, batch[1], batch[2])
    assert tokens > 20


def test_every_kind_of_call_reaches_the_adapter(models: dict[str, DomainLLM], adapter: str) -> None:
    def run(llm: DomainLLM) -> list[str]:
        question = QUESTIONS[0]
        return [
            llm.invoke(question).text,
            llm.model_copy(update={"adapter": adapter}).invoke(question).text,
            llm.invoke(question, model="legal").text,
            llm.bind(model="legal").invoke(question).text,
            llm.bind(adapter=adapter).batch([question])[0].text,
            llm.model_copy(update={"adapter": adapter}).invoke(question, model="base").text,
        ]

    base, tuned, *others, off = both(models, run)
    assert tuned != base == off
    assert set(others) == {tuned}


def test_grammars_and_tools_hold_there_too(models: dict[str, DomainLLM]) -> None:
    class Reply(BaseModel):
        ok: bool

    def ready(ok: bool) -> str:
        """Say whether it is ready."""
        return str(ok)

    def run(llm: DomainLLM) -> Any:
        forced = llm.bind_tools([ready], tool_choice="ready").invoke("Ready?", max_tokens=120)
        return (
            llm.bind(choices=["north", "south"]).invoke("Where?").text,
            llm.with_structured_output(Reply).invoke("Ready?", max_tokens=64),
            [(c["name"], c["args"]) for c in forced.tool_calls],
        )

    choice, reply, [(name, _)] = both(models, run)
    assert choice in ("north", "south")
    assert isinstance(reply, Reply)
    assert name == "ready"


def test_an_agent_runs_there(models: dict[str, DomainLLM], retriever: BaseRetriever) -> None:
    def run(llm: DomainLLM) -> Any:
        answer = answer_agent(llm, retriever).invoke(QUESTIONS[0])
        return answer.text, [p["id"] for p in answer.response_metadata["passages"]]

    _, ids = both(models, run)
    assert ids == ["amber"]


def test_what_goes_wrong_names_the_place_and_the_next_step(models: dict[str, DomainLLM]) -> None:
    server = models["server"]
    with pytest.raises(DomainkitError, match="key") as refused:
        server.model_copy(update={"api_key": SecretStr("wrong")}).invoke("Hello?")
    assert "wrong" not in str(refused.value)
    with pytest.raises((AdapterError, ConfigError, DomainkitError), match="nobody"):
        server.invoke("Hello?", model="nobody")
    nowhere = server.model_copy(update={"backend_options": {"url": "http://127.0.0.1:9", "max_retries": 0}})
    with pytest.raises(DomainkitError, match=r"127\.0\.0\.1:9"):
        nowhere.invoke("Hello?")
