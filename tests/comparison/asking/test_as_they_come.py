"""A finished answer is on disk while others of its batch are under way."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda

from chains import answer_chain
from domainkit.comparison.asking.as_they_come import comes_apart, outputs_of
from domainkit.evaluation.classical import SimpleModel
from tests.comparison.asking.test_call_runnable import run


def test_finished_answers_are_on_disk_before_the_slowest(tmp_path: Path) -> None:
    """The last question waits until the others are in the file."""
    file = tmp_path / "rows.jsonl"

    def answer(question: str) -> str:
        while question == "q4" and file.read_bytes().count(b"\n") < 4:
            threading.Event().wait(0.01)
        return f"to {question}"

    rows = run(RunnableLambda(answer), tmp_path, size=5)
    assert [r.text for r in rows] == [f"to q{i}" for i in range(5)]
    assert b"to q4" in file.read_bytes().splitlines()[-1]
    assert 0 < sum(r.seconds for r in rows) < 60


def test_what_was_answered_before_ctrl_c_is_kept(tmp_path: Path) -> None:
    def answer(question: str) -> str:
        if question == "q4":
            threading.Event().wait(0.3)
            raise KeyboardInterrupt
        return question

    with pytest.raises(KeyboardInterrupt):
        run(RunnableLambda(answer), tmp_path, size=5)
    assert (tmp_path / "rows.jsonl").read_bytes().count(b"\n") == 4


def test_an_exit_or_an_error_of_the_whole_leaves_each_question_a_row() -> None:
    def answer(question: str) -> str:
        return sys.exit("gone") if question == "b" else question

    found = {i: str(output) for i, output, _ in outputs_of(RunnableLambda(answer), ["a", "b", "c"])}
    assert found == {0: "a", 1: "gone", 2: "c"}

    class Broken(RunnableLambda[str, str]):
        def batch_as_completed(self, *args: Any, **options: Any) -> Iterator[Any]:
            yield 1, "said"
            raise ValueError("the rest is lost")

    outputs = {i: str(output) for i, output, _ in outputs_of(Broken(answer), ["a", "b", "c"])}
    assert outputs == {0: "the rest is lost", 1: "said", 2: "the rest is lost"}

    class Short(Broken):
        def batch_as_completed(self, *args: Any, **options: Any) -> Iterator[Any]:
            yield 0, "said"

    [*_, (i, output, _)] = outputs_of(Short(answer), ["a", "b"])
    assert (i, str(output)) == (1, "batch_as_completed() left out 1 of 2 questions")


def test_only_what_loses_nothing_by_it_is_taken_apart() -> None:
    model = GenericFakeChatModel(messages=iter(()))
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()
    assert all(map(comes_apart, (model, chain, answer_chain(model), model.bind(stop=["x"]), RunnableLambda(str))))
    assert not comes_apart(model.with_retry())  # its batch tries again what failed; its batch_as_completed does not
    assert not comes_apart(model.with_retry() | StrOutputParser())
    assert not comes_apart(SimpleModel(lambda questions: ["a" for _ in questions]))


def test_the_chain_of_the_ladder_gives_the_same_either_way() -> None:
    class Found(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Any]:
            from langchain_core.documents import Document

            if query == "broken":
                raise ValueError("no index")
            return [Document(f"about {query}", metadata={"id": query})]

    chain = answer_chain(RunnableLambda(lambda messages: messages[-1].content), retriever=Found())  # type: ignore[arg-type]
    questions: list[Any] = ["one", "broken", {"question": "two"}]
    whole = chain.batch(questions, return_exceptions=True)
    apart = dict(chain.batch_as_completed(questions, return_exceptions=True))
    assert [str(apart[i]) for i in range(3)] == [str(answer) for answer in whole]
    assert str(apart[1]) == "no index"
    with pytest.raises(ValueError, match="no index"):
        list(chain.batch_as_completed(questions))


def test_the_seconds_of_a_batch_are_shared_by_those_that_are_under_way() -> None:
    others = threading.Barrier(3)

    def answer(question: str) -> str:
        others.wait()
        time.sleep(0.3 if question == "long" else 0.0)
        return question

    start = time.perf_counter()
    found = list(outputs_of(RunnableLambda(answer), ["a", "long", "b"]))
    elapsed, seconds = time.perf_counter() - start, [s for _, _, s in found]
    assert found[-1][1] == "long"
    assert seconds == sorted(seconds)
    assert 0.3 <= sum(seconds) <= elapsed
    assert seconds[1] < seconds[2]
