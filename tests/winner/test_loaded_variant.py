"""A loaded variant keeps LangChain's contract: streams, batches, async, callbacks, config, other processes."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from domainkit import load_variant
from domainkit.errors import RequestError
from tests.winner.conftest import rows_of

pytestmark = pytest.mark.real
FORMS = ("trivial", "few-shot", "rag", "agent")


@pytest.mark.parametrize("name", FORMS)
def test_every_way_to_ask_gives_the_measured_answer(run: Path, name: str) -> None:
    chain, question, wanted = load_variant(run, name), "a amber 0?", rows_of(run, name)[0]["text"]

    async def ask() -> list[str]:
        pieces = [piece async for piece in chain.astream(question)]
        [one] = await chain.abatch([question])
        return [(await chain.ainvoke(question)).text, "".join(p.text for p in pieces), one.text]

    pieces = list(chain.stream(question))
    assert all(isinstance(p, AIMessageChunk) for p in pieces)
    texts = [chain.invoke(question).text, "".join(p.text for p in pieces), *asyncio.run(ask())]
    texts += [a.text for _, a in chain.batch_as_completed([question])]
    texts.append(pickle.loads(pickle.dumps(chain)).invoke(question).text)
    assert texts == [wanted] * len(texts)


def test_a_question_has_several_forms(run: Path) -> None:
    chain = load_variant(run, "zero-shot")
    wanted = rows_of(run, "zero-shot")[1]["text"]
    system, question = "Be brief.", "a birch 0?"
    assert chain.invoke({"question": question, "system": system}).text == wanted
    assert chain.invoke([SystemMessage(system), HumanMessage(question)]).text == wanted
    assert chain.invoke([("system", system), ("user", question)]).text == wanted
    assert (ChatPromptTemplate([("system", system), ("user", "{q}")]) | chain).invoke({"q": question}).text == wanted


class Runs(BaseCallbackHandler):
    def __init__(self) -> None:
        self.started: list[tuple[str, Any, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **about: Any) -> None:
        self.started.append((about["name"], about["run_id"], about["parent_run_id"]))

    def on_retriever_start(self, serialized: Any, query: str, **about: Any) -> None:
        self.started.append(("retriever", about["run_id"], about["parent_run_id"]))

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        self.started.append(("model", about["run_id"], about["parent_run_id"]))


@pytest.mark.parametrize("way", ["invoke", "batch", "stream"])
def test_a_question_is_one_run_with_its_parts_below(run: Path, way: str) -> None:
    handler = Runs()
    chain, config = load_variant(run, "rag"), {"callbacks": [handler], "tags": ["t"]}
    question: Any = ["a amber 0?"] if way == "batch" else "a amber 0?"
    list(getattr(chain, way)(question, config))
    [(name, root, parent), *parts] = handler.started
    assert (name, parent) == ("rag", None)
    assert [(what, above) for what, _, above in parts] == [("retriever", root), ("model", root)]


def test_one_wrong_question_of_a_batch_is_an_error_in_its_place(run: Path) -> None:
    found: list[Any] = load_variant(run, "trivial").batch(["a", "", "b"], return_exceptions=True)
    assert [type(f).__name__ for f in found] == ["AIMessage", "RequestError", "AIMessage"]
    with pytest.raises(RequestError, match="the question is empty"):
        load_variant(run, "trivial").batch(["a", ""])


def test_what_is_not_used_is_said(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain = load_variant(run, "classical")
    assert chain.invoke({"question": "a amber 0?", "system": "Be brief."}).text
    assert "classical reads no system turn, as it was measured: it is not used" in caplog.text
    with pytest.raises(RequestError, match="'stop' is an option of a model's call, and 'classical' takes none"):
        chain.invoke("a amber 0?", stop=["x"])
    with pytest.raises(RequestError, match="knows it for the comparison's own questions only"):
        load_variant(run, "oracle-rag").invoke("another question")
