"""What tells one Runnable from another: its code, its settings, and what both refer to."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from pydantic import BaseModel, PrivateAttr, SecretStr

from domainkit import DomainLLM
from domainkit.evaluation.identity import identity_of

GREETING = "hello"


def greet(question: str) -> str:
    return f"{GREETING} {question}"


def indirect(question: str) -> str:
    return greet(question)


def saying(word: str) -> Any:
    return lambda question: word


class Keeper:
    def __init__(self, value: Any) -> None:
        self.value = value

    def invoke(self, question: Any, config: Any = None) -> Any:
        return self.value


class Settings(BaseModel):
    words: dict[str, int] = {}
    key: SecretStr = SecretStr("")
    _hidden: int = PrivateAttr(default=0)


def prompt(text: str, *replies: str) -> Any:
    return ChatPromptTemplate.from_messages([("system", text), ("human", "{q}")]) | FakeListChatModel(
        responses=[*replies]
    )


def hidden(value: int) -> Settings:
    made = Settings()
    made._hidden = value
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: saying("a"), lambda: saying("b")),
        (lambda: RunnableLambda(saying("a")), lambda: RunnableLambda(saying("b"))),
        (lambda: RunnableLambda(saying("a")) | saying("c"), lambda: RunnableLambda(saying("b")) | saying("c")),
        (lambda: prompt("Be short.", "x"), lambda: prompt("Be long.", "x")),
        (lambda: prompt("Be short.", "x"), lambda: prompt("Be short.", "y")),
        (lambda: RunnableParallel(a=greet), lambda: RunnableParallel(a=indirect)),
        (lambda: RunnablePassthrough.assign(a=greet), lambda: RunnablePassthrough.assign(b=greet)),
        (lambda: functools.partial(greet, question="a"), lambda: functools.partial(greet, question="b")),
        (lambda: Keeper(1).invoke, lambda: Keeper(2).invoke),
        (lambda: Keeper(np.zeros(3)), lambda: Keeper(np.ones(3))),
        (lambda: Keeper({1, 2}), lambda: Keeper({1, 3})),
        (lambda: Keeper(True), lambda: Keeper(1)),
        (lambda: Keeper(Path("a")), lambda: Keeper(Path("b"))),
        (lambda: Settings(words={"a": 1}), lambda: Settings(words={"a": 2})),
        (lambda: hidden(1), lambda: hidden(2)),
        (lambda: type("T", (Keeper,), {"say": lambda self: 1}), lambda: type("T", (Keeper,), {"say": lambda self: 2})),
    ],
)
def test_equal_things_have_one_identity_and_others_another(one: Any, other: Any) -> None:
    assert identity_of(one()) == identity_of(one()) is not None
    assert identity_of(one()) != identity_of(other()) is not None


@pytest.mark.parametrize("runnable", [greet, indirect, RunnableLambda(indirect)])
def test_a_global_that_the_code_reads_is_part_of_it(runnable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity_of(runnable)
    monkeypatch.setitem(globals(), "GREETING", "good day")
    assert identity_of(runnable) != before


def test_answering_changes_nothing() -> None:
    for made in (
        RunnableLambda(indirect),
        RunnableLambda(saying("a")) | RunnableLambda(greet),
        RunnableParallel(a=greet),
    ):
        before = identity_of(made)
        made.invoke("q")
        made.batch(["q", "r"])
        assert identity_of(made) == before


@pytest.mark.parametrize(
    "thing",
    [
        threading.Lock(),
        (x for x in ()),
        Keeper(threading.local()),
        RunnableLambda(Keeper(threading.Lock()).invoke),
        {threading.Lock()},
    ],
)
def test_what_cannot_be_read_has_none(thing: Any) -> None:
    assert identity_of(thing) is None


def test_an_object_that_holds_itself_is_read_once() -> None:
    loop = Keeper(1)
    loop.value = [loop]
    assert identity_of(loop) is not None


def test_a_secret_is_no_part_of_it() -> None:
    assert identity_of(Settings(key=SecretStr("a"))) == identity_of(Settings(key=SecretStr("b")))


def test_a_model_is_known_by_its_weights_and_options(tiny_base: str) -> None:
    llm = DomainLLM(base=tiny_base)
    made = {identity_of(x) for x in (llm, DomainLLM(base=tiny_base), llm.bind(choices=["a"]), llm.bind(choices=["b"]))}
    assert len(made) == 3
    assert None not in made
