"""The callback sees the chain it was attached to: its question and answer, not those of the parts inside."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from domainkit.monitoring.callback import ObservingCallback, answer_of, question_of


class Seen(ObservingCallback):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, str, str | None, int]] = []
        self.failures: list[str] = []

    def observe(
        self, question: str, answer: AIMessage, seconds: float, *, conversation: str | None = None, turn: int = 1
    ) -> None:
        assert seconds >= 0
        self.rows.append((question, str(answer.text), conversation, turn))

    def observe_failure(self, reason: str = "") -> None:
        self.failures.append(reason)


class One(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("a passage")]


def chain(answers: list[str]) -> Any:
    def prompt(question: str) -> Any:
        passages = One().invoke(question)
        return ChatPromptTemplate.from_messages([("user", "{p}\n\n{q}")]).invoke({"p": passages, "q": question})

    return RunnableLambda(prompt) | FakeListChatModel(responses=answers)


def test_invoke_batch_and_stream_are_seen_once_each() -> None:
    seen = Seen()
    config: Any = {"callbacks": [seen], "metadata": {"thread_id": "t1"}}
    chain(["one"]).invoke("what?", config)
    chain(["two"]).batch(["who?", "when?"], {"callbacks": [seen]})
    list(chain(["three"]).stream("why?", {"callbacks": [seen]}))
    assert sorted(seen.rows) == sorted(
        [("what?", "one", "t1", 1), ("who?", "two", None, 1), ("when?", "two", None, 1), ("why?", "three", None, 1)]
    )
    assert not seen._runs
    assert not seen.failures


def test_inside_a_larger_chain_the_attached_part_is_seen() -> None:
    seen = Seen()
    part = chain(["one"]).with_config(callbacks=[seen])
    (RunnableLambda(lambda x: x["text"]) | part | RunnableLambda(lambda m: m.text)).invoke({"text": "what?"})
    assert seen.rows == [("what?", "one", None, 1)]


def test_a_model_and_its_turns() -> None:
    seen = Seen()
    turns = [SystemMessage("s"), HumanMessage("first"), AIMessage("answer"), HumanMessage("second")]
    FakeListChatModel(responses=["yes"]).invoke(turns, {"callbacks": [seen]})
    assert seen.rows == [("second", "yes", None, 2)]


def test_failures_are_counted() -> None:
    seen = Seen()
    with pytest.raises(ZeroDivisionError):
        RunnableLambda(lambda x: 1 / 0).invoke("q", {"callbacks": [seen]})
    RunnableLambda(lambda x: 3).invoke("q", {"callbacks": [seen]})
    assert seen.failures == ["ZeroDivisionError", "no question and answer in str and int"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("q", ("q", 1)),
        ({"question": "q", "system": "s"}, ("q", 1)),
        ({"messages": [("user", "q")]}, ("q", 1)),
        (
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "q"}],
            ("q", 2),
        ),
        (HumanMessage("q"), ("q", 1)),
        ({"x": 1}, None),
        ([], None),
        (7, None),
    ],
)
def test_questions_in_every_form(given: object, expected: tuple[str, int] | None) -> None:
    assert question_of(given) == expected


def test_answers_in_every_form() -> None:
    for output in ("a", AIMessage("a"), {"answer": "a"}, {"messages": [HumanMessage("q"), AIMessage("a")]}):
        answer = answer_of(output)
        assert answer is not None
        assert answer.text == "a"
    assert answer_of(3) is None
