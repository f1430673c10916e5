from __future__ import annotations

import pytest

from domainkit.errors import RequestError
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend
from domainkit.inference.echo import EchoBackend
from domainkit.messages import Message
from tests.inference.tiny_adapters import ask

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}


def test_it_says_back_the_last_user_turn() -> None:
    echo = BACKENDS.load("echo")()
    assert isinstance(echo, Backend)
    assert echo.complete([ask("one two")])[0].text == "one two"


def test_stop_and_max_tokens_cut() -> None:
    cut, short = EchoBackend().complete([ask("one two three", stop=(" three",)), ask("one two three", max_tokens=2)])
    assert (cut.text, cut.finish_reason) == ("one two", "stop")
    assert (short.text, short.finish_reason) == ("one two", "length")


def test_streams_join_to_the_completion() -> None:
    for request in (ask("a b  c "), ask("pick b", choices=("a", "b")), ask("")):
        pieces = list(EchoBackend().stream(request))
        assert "".join(p.text for p in pieces) == EchoBackend().complete([request])[0].text
        assert pieces[-1].completion is not None


def test_a_mentioned_choice_is_chosen_else_the_first() -> None:
    answers = EchoBackend().complete([ask("it was red", choices=("blue", "red")), ask("x", choices=("blue", "red"))])
    assert [a.text for a in answers] == ["red", "blue"]


def test_a_forced_tool_is_called() -> None:
    [answer] = EchoBackend().complete([ask("x", tools=(TOOL,), tool_choice="any")])
    assert [c.name for c in answer.tool_calls] == ["look"]
    assert answer.finish_reason == "tool_calls"


def test_what_needs_a_model_is_refused() -> None:
    with pytest.raises(RequestError, match="cannot follow a schema"):
        EchoBackend().complete([ask("x", json_schema={})])
    [error] = EchoBackend().complete([ask("x", regex="a")], return_errors=True)
    assert isinstance(error, RequestError)


def test_counts_and_scores() -> None:
    assert len(EchoBackend().token_ids("one two three")) == 3
    good, bad = EchoBackend().score([Message("user", "red car")], ["red", "blue"])
    assert good > bad
