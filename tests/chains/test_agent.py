"""answer_agent: a forced search by grammar, then the question behind the passages found; limited, concurrent,
comparable."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from chains.agent import answer_agent
from chains.answer import answer_chain
from chains.ladder import LADDER
from domainkit import DomainLLM, compare
from domainkit.errors import ConfigError

BEES = Document("Bees sleep.", metadata={"id": "d1", "title": "Bees"})


class Shelf(BaseRetriever):
    """Keeps what it was asked; `together` callers must be in it at once, or it fails."""

    asked: list[str] = Field(default_factory=list)
    together: Any = None

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.asked.append(query)
        if self.together is not None:
            self.together.wait(timeout=120)
        if "fail" in query:
            raise RuntimeError("the shelf fell down")
        return [BEES]


class Scripted(BaseChatModel):
    """Says its lines in turn, a dict as a search; keeps the turns it was given and the tools it was offered."""

    lines: list[Any]
    turns: list[list[BaseMessage]] = Field(default_factory=list)
    offered: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[t.name for t in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **options: Any) -> Any:
        line = self.lines[len(self.turns) % len(self.lines)]
        self.turns.append(messages)
        self.offered.append((options.get("tools"), options.get("tool_choice")))
        call = isinstance(line, dict)
        message = AIMessage(
            "" if call else line, tool_calls=[{"name": "search", "args": line, "id": "1"}] if call else []
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture
def llm(tiny_base: str) -> DomainLLM:
    return DomainLLM(base=tiny_base, quantization="none", max_tokens=120)


def test_the_agent_searches_once_and_answers(llm: DomainLLM) -> None:
    """The tiny base knows nothing, so only the grammar can make it search: a sure sign that the first call is
    forced."""
    shelf = Shelf()
    message = answer_agent(llm, shelf, instruction="Be brief.").invoke("do bees sleep?")
    assert isinstance(message, AIMessage)
    [asked], [query] = shelf.asked, message.response_metadata["queries"]
    assert asked == f"do bees sleep?\n{query}"
    assert message.response_metadata["passages"] == [{"id": "d1", "title": "Bees", "text": "Bees sleep."}]
    assert not message.tool_calls
    alone = answer_chain(llm, retriever=Shelf(), instruction="Be brief.").invoke("do bees sleep?")
    assert message.text == alone.text, "the last turn is not the chain's"
    assert message.usage_metadata is not None
    assert alone.usage_metadata is not None
    assert message.usage_metadata["input_tokens"] > alone.usage_metadata["input_tokens"], (
        "the search's tokens are missing"
    )


def test_each_turn_gets_its_own_messages_and_tools(llm: DomainLLM) -> None:
    seeker, writer = Scripted(lines=[{"question": "sleep"}]), Scripted(lines=["they do"])
    shelf = Shelf()
    agent = answer_agent(writer, shelf, instruction="Be brief.", search_llm=seeker, keep_question=False)
    message = agent.invoke({"question": "do bees sleep?", "system": "You keep bees."})
    assert (message.text, message.response_metadata["queries"], shelf.asked) == ("they do", ["sleep"], ["sleep"])
    assert seeker.turns == [[HumanMessage("do bees sleep?", id=seeker.turns[0][0].id)]]
    assert seeker.offered == [(["search"], "search")]
    expected = answer_chain(llm, retriever=Shelf(), instruction="Be brief.").messages(
        {"question": "do bees sleep?", "system": "You keep bees."}
    )
    assert [(m.type, m.text) for m in writer.turns[0]] == [(m.type, m.text) for m in expected]
    assert writer.offered == [(None, None)]


def test_searches_are_limited_and_passages_shown_once() -> None:
    model = Scripted(lines=[{"question": "a"}, {"question": "b"}, "done"])
    shelf = Shelf()
    message = answer_agent(model, shelf, searches=2).invoke("do bees sleep?")
    assert shelf.asked == ["do bees sleep?\na", "b"]
    assert [choice for _, choice in model.offered] == ["search", None, None]
    assert model.offered[2][0] is None
    assert message.response_metadata["passages"] == [{"id": "d1", "title": "Bees", "text": "Bees sleep."}]


def test_without_force_the_model_may_answer_at_once() -> None:
    model = Scripted(lines=["yes"])
    message = answer_agent(model, Shelf(), force_first=False, instruction="Be brief.").invoke("do bees sleep?")
    assert message.text == "yes"
    assert message.response_metadata["passages"] == []
    assert [m.type for m in model.turns[0]] == ["system", "human"]


def test_the_agents_of_a_batch_share_batches(llm: DomainLLM) -> None:
    """All twelve are in the retriever at once, or the barrier breaks; order is kept, and a failure is one question's
    own."""
    shelf = Shelf(together=threading.Barrier(12))
    questions = [*(f"question {i}" for i in range(11)), "fail"]
    answers = answer_agent(llm, shelf).batch(questions, return_exceptions=True)
    assert [isinstance(a, AIMessage) for a in answers] == [True] * 11 + [False]
    assert isinstance(answers[-1], RuntimeError)
    assert sorted(q.partition("\n")[0] for q in shelf.asked) == sorted(questions)


def test_an_incomplete_search_becomes_a_search_for_the_question(llm: DomainLLM) -> None:
    """Eight tokens are not enough for a call."""
    shelf = Shelf()
    message = answer_agent(llm, shelf, search_llm=llm.bind(max_tokens=8)).invoke("do bees sleep?")
    assert shelf.asked == ["do bees sleep?"]
    assert message.response_metadata["passages"]
    assert message.text


async def test_the_async_agent_searches_too(llm: DomainLLM) -> None:
    shelf = Shelf()
    one, two = await answer_agent(llm, shelf).abatch(["first", "second"])
    assert sorted(q.partition("\n")[0] for q in shelf.asked) == ["first", "second"]
    assert one.response_metadata["passages"] == two.response_metadata["passages"]


# ---- in a comparison


@pytest.fixture
def material(tmp_path: Path, tiny_base: str) -> dict[str, Any]:
    rows = [
        {"id": f"q{i}", "input": f"which bee is number {i}", "target": "drone" if i % 2 else "queen"} for i in range(6)
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({**r, "input": f"train {r['id']}"}) + "\n" for r in rows))
    docs = [{"id": f"d{i}", "text": f"The bee of number {i} hums."} for i in range(6)]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(d) + "\n" for d in docs))
    return {
        "task": tmp_path / "test.jsonl",
        "out": tmp_path / "run",
        "train": tmp_path / "train.jsonl",
        "corpus": tmp_path / "docs.jsonl",
        "base": tiny_base,
        "quantization": "none",
        "retriever": "lexical",
        "passages": 1,
        "latency_items": 1,
        "max_tokens": 8,
        "decoding": "closed",
    }


def test_agents_are_compared_when_asked_by_name(material: dict[str, Any]) -> None:
    """Answers of few tokens from a closed list, and yet the search has room and words of its own."""
    results = compare(variants=["rag", "agent"], kind="label", **material)
    agent = {v.name: v for v in results.variants}["agent"]
    assert agent.failures == 0
    assert agent.latency.median
    assert {item.answers["agent"].text for item in results.items} <= {"queen", "drone"}
    assert all(item.answers["agent"].passages for item in results.items)
    rag = {v.name: v for v in results.variants}["rag"]
    assert (agent.usage.completion_tokens or 0) > (rag.usage.completion_tokens or 0)
    before = (material["out"] / "rows.jsonl").read_bytes()
    assert len({json.loads(line)["key"] for line in before.splitlines()}) == 3, "and the trivial answers"
    compare(variants=["rag", "agent"], kind="label", **material)
    assert (material["out"] / "rows.jsonl").read_bytes() == before, "a finished agent was asked again"


def test_agents_run_only_when_they_are_named(material: dict[str, Any]) -> None:
    assert {name for name, row in LADDER.items() if not row.default} == {"agent", "tuned-agent"}
    with pytest.raises(ConfigError, match="variant 'tuned-agent' cannot run: no adapter was given"):
        compare(variants=["tuned-agent"], kind="label", **material)


def test_earlier_turns_are_searched_for_and_stand_before_the_answer() -> None:
    shelf, llm = Shelf(), Scripted(lines=[{"question": "hours"}, "Eight."])
    history = [("user", "do bees sleep?"), ("ai", "Yes.")]
    message = answer_agent(llm, shelf, instruction="Be brief.").invoke({"question": "how long?", "history": history})
    assert shelf.asked == ["do bees sleep?\nYes.\nhow long?\nhours"]
    assert message.text == "Eight."
    assert message.response_metadata["queries"] == ["hours"]
    assert [(m.type, m.text) for m in llm.turns[-1][:3]] == [
        ("system", "Be brief."),
        ("human", "do bees sleep?"),
        ("ai", "Yes."),
    ]
    assert "Bees sleep." in llm.turns[-1][3].text
    assert llm.turns[-1][3].text.rstrip().endswith("how long?")
