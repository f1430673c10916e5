"""answer_chain: one setting changes one thing; batch, stream and async agree with invoke."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.retrievers import BaseRetriever

from chains import answer_chain
from domainkit import Example, Turn
from domainkit.messages import ToolCall


class Transcript(BaseChatModel):
    """Answers with the transcript it was given, so a test sees the exact prompt."""

    @property
    def _llm_type(self) -> str:
        return "transcript"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        text = "\n".join(f"<{m.type}> {m.text}" for m in messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(f"all about {query}", metadata={"id": "d1", "title": "Bees"})]


def example(question: str, answer: str) -> Example:
    return Example(turns=(Turn(role="user", content=question), Turn(role="assistant", content=answer)))


SHOTS = (example("1+1?", "2"), example("2+2?", "4"))


def test_the_bare_chain_asks_the_bare_question() -> None:
    assert answer_chain(Transcript()).invoke("why?").text == "<human> why?"


def test_instruction_system_shots_and_question_in_order() -> None:
    chain = answer_chain(Transcript(), shots=SHOTS, instruction="Be brief.")
    said = chain.invoke({"question": "why?", "system": "You are Bee."}).text
    assert said == "<system> You are Bee.\n\nBe brief.\n<human> 1+1?\n<ai> 2\n<human> 2+2?\n<ai> 4\n<human> why?"


class Caller(BaseChatModel):
    """Calls the first tool it is offered, else says how often it was asked."""

    @property
    def _llm_type(self) -> str:
        return "caller"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        calls = [{"name": t["name"], "args": {"of": messages[-1].text}, "id": "1"} for t in kwargs.get("tools", ())[:1]]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("" if calls else "words", tool_calls=calls))])


def test_each_question_brings_its_own_tools() -> None:
    questions = [{"question": q, "tools": [{"name": f"tool_{q}"}] if q != "c" else []} for q in "abc"] * 2
    answers = answer_chain(Caller()).batch(questions, {"max_concurrency": 4})
    called = [[(c["name"], c["args"]["of"]) for c in a.tool_calls] for a in answers]
    assert called == [[("tool_a", "a")], [("tool_b", "b")], []] * 2
    assert [a.text for a in answers] == ["", "", "words"] * 2
    chain = answer_chain(Caller())
    assert chain.invoke(questions[0]).tool_calls[0]["name"] == "tool_a"
    assert next(iter(chain.stream(questions[1]))).tool_calls[0]["name"] == "tool_b"


def test_a_solved_example_shows_its_calls_as_a_turn_of_the_assistant() -> None:
    call = ToolCall("weigh", {"hive": "4"}, "1")
    solved = Example(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="", tool_calls=(call,))))
    _, shown, _ = answer_chain(Caller(), shots=[solved]).messages("why?")
    assert isinstance(shown, AIMessage)
    assert [(c["name"], c["args"]) for c in shown.tool_calls] == [("weigh", {"hive": "4"})]


def test_shots_may_be_chosen_per_question() -> None:
    chain = answer_chain(Transcript(), shots=lambda qs: [[example(f"like {q}", "x")] for q in qs])
    assert [m.text for m in chain.batch(["a", "b"])] == [f"<human> like {q}\n<ai> x\n<human> {q}" for q in "ab"]


def test_passages_come_before_the_question_and_are_in_the_metadata() -> None:
    chain = answer_chain(Transcript(), retriever=Shelf(), context_prompt="{passages}\n--\n{question}")
    message = chain.invoke("bees {passages}")
    assert message.text == "<human> Bees\nall about bees {passages}\n--\nbees {passages}"
    assert message.response_metadata["passages"] == [{"id": "d1", "title": "Bees", "text": "all about bees {passages}"}]


@pytest.mark.parametrize("retriever", [None, Shelf()])
async def test_batch_stream_and_async_agree_with_invoke(retriever: Any) -> None:
    chain = answer_chain(Transcript(), shots=SHOTS, retriever=retriever)
    said = chain.invoke("why?").text
    assert next(m.text for m in chain.batch(["why?", "how?"])) == said
    assert "".join(c.text for c in chain.stream("why?")) == said
    assert (await chain.ainvoke("why?")).text == said
    assert "".join([c.text async for c in chain.astream("why?")]) == said
    first = next(iter(chain.stream("why?")))
    assert bool(first.response_metadata.get("passages")) == (retriever is not None)


def test_one_failure_in_a_batch_fails_no_other_question() -> None:
    class Picky(Transcript):
        def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
            if messages[-1].text == "bad":
                raise ValueError("no")
            return super()._generate(messages, *args, **kwargs)

    good, bad = answer_chain(Picky()).batch(["good", "bad"], return_exceptions=True)
    assert good.text == "<human> good"
    assert isinstance(bad, ValueError)


def test_messages_shows_the_prompt() -> None:
    assert [m.text for m in answer_chain(Transcript(), shots=SHOTS[:1]).messages("q")] == ["1+1?", "2", "q"]


def test_earlier_turns_stand_before_the_question_and_are_searched_for_with_it() -> None:
    history = [{"role": "user", "content": "the hive?"}, {"role": "assistant", "content": "It weighs 24 kg."}]
    asked = {"question": "and full?", "system": "s", "history": history}
    said = "<system> s\n<human> the hive?\n<ai> It weighs 24 kg.\n<human> "
    assert answer_chain(Transcript()).invoke(asked).text == said + "and full?"
    chain = answer_chain(Transcript(), retriever=Shelf(), context_prompt="{passages} -- {question}")
    found = "Bees\nall about the hive?\nIt weighs 24 kg.\nand full?"
    assert chain.invoke(asked).text == f"{said}{found} -- and full?"
    assert chain.batch([asked])[0].text == chain.invoke(asked).text


def test_a_solved_example_keeps_its_own_earlier_turns() -> None:
    turns = (("system", "s"), ("user", "a?"), ("assistant", "b"), ("user", "c?"), ("assistant", "d"))
    shot = Example(turns=tuple(Turn(role=role, content=text) for role, text in turns))  # type: ignore[arg-type]
    said = answer_chain(Transcript(), shots=[shot]).invoke("e?").text
    assert said == "<human> a?\n<ai> b\n<human> c?\n<ai> d\n<human> e?"


def test_nearest_examples_are_chosen_by_all_that_was_said() -> None:
    chain = answer_chain(Transcript(), shots=lambda asked: [[example(a, "x")] for a in asked])
    asked = {"question": "c", "history": [("user", "a"), ("ai", "b")]}
    assert chain.invoke(asked).text.startswith("<human> a\nb\nc\n<ai> x\n")
