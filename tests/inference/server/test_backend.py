"""The server backend answers as the protocol says, against a real server process on this machine."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import RequestError
from domainkit.export.vllm import adapter_name
from domainkit.inference import BACKENDS
from domainkit.inference.backend import Backend, Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message
from tests.inference.server.openai_server import KEY

ASK = (Message("user", "Hello?"),)
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
    },
}


def test_it_is_a_backend_of_the_table(backend: ServerBackend) -> None:
    assert BACKENDS.load("server") is ServerBackend
    assert isinstance(backend, Backend)


def test_answers_come_in_order_with_usage_and_the_same_again(backend: ServerBackend) -> None:
    requests = [Request((Message("user", f"Number {i}"),), max_tokens=4 + i) for i in range(6)]
    answers = backend.complete(requests)
    assert [a.completion_tokens for a in answers] == [4, 5, 6, 7, 8, 9]
    assert all(a.finish_reason == "length" and a.prompt_tokens > 10 for a in answers)
    assert [a.text for a in backend.complete(requests[3:4])] == [answers[3].text]
    assert backend.complete([]) == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stop": ("L", "6", "e")},
        {"logprobs": True},
        {"json_schema": {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}},
        {"tools": (ADD,), "tool_choice": "any", "max_tokens": 120},
        {"temperature": 1.0, "seed": 7},
    ],
)
def test_the_stream_adds_up_to_the_completion(backend: ServerBackend, fields: dict[str, Any]) -> None:
    request = Request(ASK, **{"max_tokens": 24, **fields})
    whole = backend.complete([request])[0]
    pieces = list(backend.stream(request))
    assert "".join(p.text for p in pieces) == whole.text
    assert [p.completion is None for p in pieces[:-1]] == [True] * (len(pieces) - 1)
    last = pieces[-1].completion
    assert last is not None
    assert (last.text, last.finish_reason) == (whole.text, whole.finish_reason)
    assert (last.prompt_tokens, last.completion_tokens) == (whole.prompt_tokens, whole.completion_tokens)
    assert [c.arguments for c in last.tool_calls] == [c.arguments for c in whole.tool_calls]
    assert last.logprobs == pytest.approx(whole.logprobs)
    assert bool(whole.logprobs) is bool(fields.get("logprobs"))


def test_constraints_reach_the_server(backend: ServerBackend) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
    chosen, dated, object_ = backend.complete(
        [
            Request(ASK, choices=("yes", "no")),
            Request(ASK, regex="\\d{4}-\\d{2}"),
            Request(ASK, json_schema=schema),
        ]
    )
    assert chosen.text in ("yes", "no")
    assert [len(part) for part in dated.text.split("-")] == [4, 2]
    assert json.loads(object_.text)["n"] in (1, 2)


def test_forced_calls_come_back_as_calls(backend: ServerBackend) -> None:
    for choice in ("any", "add"):
        answer = backend.complete([Request(ASK, tools=(ADD,), tool_choice=choice)])[0]
        assert answer.finish_reason == "tool_calls"
        assert answer.text == ""
        assert [c.name for c in answer.tool_calls] == ["add"]
        assert isinstance(answer.tool_calls[0].arguments["a"], bool)
        assert answer.tool_calls[0].id


def test_closing_a_stream_gives_the_connection_back(address: str, tiny_base: str) -> None:
    backend = ServerBackend(tiny_base, url=address, api_key=KEY, connections=1)
    for _ in range(3):
        stream = backend.stream(Request(ASK, max_tokens=200))
        assert next(stream).completion is None
        stream.close()
    assert backend.complete([Request(ASK, max_tokens=2)])[0].completion_tokens == 2


def test_adapters_are_named_by_hash_and_loaded_when_missing(backend: ServerBackend, adapters: list[Path]) -> None:
    asked = [Request(ASK, adapter=a, max_tokens=12) for a in (None, str(adapters[0]), str(adapters[1]))]
    texts = [a.text for a in backend.complete(asked)]
    assert len(set(texts)) == 3
    names = [adapter_name(a) for a in adapters]
    assert names[0].startswith("legal-")
    assert names[0] != names[1]
    assert set(names) <= set(backend.models())
    by_name = backend.complete([Request(ASK, adapter=names[1], max_tokens=12)])[0].text
    assert by_name == texts[2]
    assert backend.load_adapter(adapters[1]) == names[1], "loading again is not an error"
    assert backend.identity(str(adapters[0]))["adapter"] == names[0]
    assert backend.identity(str(adapters[0])) != backend.identity(str(adapters[1])) != backend.identity()


def test_an_unknown_adapter_answers_with_the_near_one(backend: ServerBackend, adapters: list[Path]) -> None:
    name = adapter_name(adapters[0])
    with pytest.raises(RequestError, match=rf"has no adapter '{name}x'(.|\n)*did you mean '{name}'"):
        backend.complete([Request(ASK, adapter=f"{name}x")])


def test_scores_are_the_servers_own_logprobs(backend: ServerBackend) -> None:
    answer = backend.complete([Request(ASK, max_tokens=1, logprobs=True, regex="[a-z]")])[0]
    scores = backend.score(ASK, [answer.text, "zz", ""])
    assert scores[0] == pytest.approx(answer.logprobs[0].logprob, abs=1e-4)
    assert scores[1] < 0
    assert scores[2] == 0
    assert math.isfinite(sum(scores))


def test_tokens_are_counted_by_the_server(backend: ServerBackend) -> None:
    count = backend.count_tokens(ASK)
    assert count == backend.complete([Request(ASK, max_tokens=1)])[0].prompt_tokens
    assert len(backend.token_ids("abc")) == 3
