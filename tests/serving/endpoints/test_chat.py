"""Chat completions by OpenAI's own client: texts are the engine's, and nothing asked for is ignored."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from domainkit.inference.local import LocalBackend
from domainkit.serving.state import State
from tests.inference.tiny_adapters import ask

QUESTION: Any = [{"role": "user", "content": "where is my hive?"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weigh",
        "parameters": {
            "type": "object",
            "properties": {"grams": {"type": "integer", "enum": [1, 2]}},
            "required": ["grams"],
        },
    },
}


def folder_of(state: State, name: str) -> str:
    return str(state.models.find_engine(name).adapter)


def text_of(stream: Any) -> str:
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_texts_are_the_engines_whole_and_streamed(client: OpenAI, backend: LocalBackend, state: State) -> None:
    for name, adapter in (("tiny", None), ("red", folder_of(state, "red"))):
        expected = backend.complete([ask("where is my hive?", adapter=adapter)])[0]
        whole = client.chat.completions.create(model=name, messages=QUESTION, max_tokens=16)
        assert whole.choices[0].message.content == expected.text
        assert whole.choices[0].finish_reason == expected.finish_reason
        assert whole.usage is not None
        assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (expected.prompt_tokens, 16)
        asked: Any = {"max_tokens": 16, "stream": True, "stream_options": {"include_usage": True}}
        chunks = list(client.chat.completions.create(model=name, messages=QUESTION, **asked))
        assert text_of(chunks) == expected.text
        assert [c.choices[0].delta.role for c in chunks if c.choices].count("assistant") == 1
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == expected.finish_reason
        assert chunks[-1].usage == whole.usage
        assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)


async def test_an_async_client_asks_base_and_adapter_at_once(address: str, backend: LocalBackend, state: State) -> None:
    import asyncio

    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as client:
        names = ["tiny", "red"] * 4
        asked = [client.chat.completions.create(model=n, messages=QUESTION, max_tokens=12) for n in names]
        texts = [a.choices[0].message.content for a in await asyncio.gather(*asked)]
    alone = [
        backend.complete([ask("where is my hive?", adapter=a, max_tokens=12)])[0].text
        for a in (None, folder_of(state, "red"))
    ]
    assert texts == alone * 4


def test_forced_and_parallel_calls_have_openais_form(client: OpenAI) -> None:
    forced = client.chat.completions.create(
        model="red", messages=QUESTION, tools=[TOOL], tool_choice={"type": "function", "function": {"name": "weigh"}}
    )
    calls: Any = forced.choices[0].message.tool_calls
    assert json.loads(calls[0].function.arguments)["grams"] in (1, 2)
    assert forced.choices[0].finish_reason == "tool_calls"
    one = client.chat.completions.create(
        model="red", messages=QUESTION, tools=[TOOL], tool_choice="required", parallel_tool_calls=False
    )
    assert len(one.choices[0].message.tool_calls or ()) == 1
    stream: Any = client.chat.completions.create(
        model="red", messages=QUESTION, tools=[TOOL], tool_choice="required", stream=True
    )
    parts = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert len(parts) == len({p.index for p in parts}) >= 1  # id and name stand once: clients join texts
    history: Any = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [calls[0].model_dump()]},
        {"role": "tool", "tool_call_id": calls[0].id, "content": [{"type": "text", "text": "done"}]},
    ]
    assert client.chat.completions.create(model="red", messages=history, tools=[TOOL], max_tokens=4).usage


def test_a_schema_holds_the_answer_parsed_whole_and_streamed(client: OpenAI) -> None:
    class Hive(BaseModel):
        number: int
        queen: bool

    whole = client.chat.completions.parse(model="tiny", messages=QUESTION, response_format=Hive, max_tokens=64)
    assert isinstance(whole.choices[0].message.parsed, Hive)
    with client.chat.completions.stream(
        model="tiny", messages=QUESTION, response_format=Hive, max_completion_tokens=64
    ) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == whole.choices[0].message.parsed
    free = client.chat.completions.create(
        model="tiny", messages=QUESTION, response_format={"type": "json_object"}, max_tokens=64
    )
    assert isinstance(json.loads(free.choices[0].message.content or ""), dict)
    chosen = client.chat.completions.create(
        model="tiny", messages=QUESTION, extra_body={"structured_outputs": {"choice": ["brood", "wax"]}}
    )
    assert chosen.choices[0].message.content in ("brood", "wax")
    assert sum(chosen.choices[0].model_extra["choice_probabilities"].values()) == pytest.approx(1)  # type: ignore[index]


def test_logprobs_name_tokens_bytes_and_the_best_others(client: OpenAI) -> None:
    asked: Any = {"model": "tiny", "messages": QUESTION, "max_tokens": 6, "logprobs": True, "top_logprobs": 3}
    found = client.chat.completions.create(**asked).choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert len(found.content) == 6
    for token in found.content:
        best = token.top_logprobs
        assert len(best) == 3
        assert token.logprob == best[0].logprob  # greedy
        assert best[0].logprob >= best[1].logprob >= best[2].logprob
        assert token.bytes
    streamed = [c.choices[0].logprobs for c in client.chat.completions.create(**asked, stream=True)]
    joined = [t for part in streamed if part is not None for t in part.content or ()]
    assert [t.bytes for t in joined] == [t.bytes for t in found.content]


def test_several_answers_have_seeds_of_their_own(client: OpenAI) -> None:
    asked: Any = {"model": "tiny", "messages": QUESTION, "max_tokens": 8, "n": 3, "seed": 5, "temperature": 1.5}
    first, again = (client.chat.completions.create(**asked) for _ in range(2))
    texts = [c.message.content for c in first.choices]
    assert texts == [c.message.content for c in again.choices]
    assert len(set(texts)) == 3
    parts: dict[int, str] = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(**asked, stream=True):
        parts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert [parts[i] for i in range(3)] == texts
    assert first.usage is not None
    assert first.usage.completion_tokens == sum(len(t or "") for t in texts) or first.usage.completion_tokens == 24


def test_what_cannot_change_an_answer_is_taken(client: OpenAI) -> None:
    beside: Any = {"user": "u", "store": True, "metadata": {"a": "b"}, "frequency_penalty": 0, "service_tier": "auto"}
    roles: Any = [{"role": "developer", "content": [{"type": "text", "text": "short"}]}, *QUESTION]
    assert client.chat.completions.create(model="tiny", messages=roles, max_tokens=2, **beside).choices


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", "would change the answer"),
        ({"presence_penalty": 0.5}, "presence_penalty", "leave it out, or give 0"),
        ({"temprature": 1}, "temprature", "did you mean 'temperature'?"),
        ({"temperature": -1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "1"}, "temperature", "valid number"),
        ({"n": 17}, "n", "less than or equal to 16"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens", "contradict"),
        ({"stop": ["a", ""]}, "stop", "would stop every answer"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "streams only"),
        ({"tool_choice": "required"}, "tool_choice", "needs tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", "a tool is"),
        ({"tools": [TOOL, TOOL]}, "tools", "two tools are named 'weigh'"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "w"}}}, "tool_choice", "names 'w'"),
        ({"response_format": {"type": "xml"}}, "response_format", "is unknown"),
        ({"structured_outputs": {"grammar": "a"}}, "structured_outputs.grammar", "not offered"),
        ({"structured_outputs": {"choice": ["a"]}, "tools": [TOOL]}, "structured_outputs", "no room"),
        ({"reasoning_effort": "high"}, "reasoning_effort", "has no reasoning"),
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": [{"role": "usr", "content": "a"}]}, "messages[0].role", "did you mean 'user'?"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "a text, or a list"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "read text only",
        ),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id", "names the call"),
    ],
)
def test_what_would_change_an_answer_is_used_or_refused(client: OpenAI, fields: Any, param: str, says: str) -> None:
    body = {"model": "tiny", "messages": QUESTION, **fields}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=httpx.Response)
    assert caught.value.param == param
    assert says in caught.value.message


def test_a_prompt_too_long_and_a_model_unknown_have_openais_codes(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x" * 3000}])
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
    with pytest.raises(openai.NotFoundError, match="did you mean 'tiny'") as missing:
        client.chat.completions.create(model="tiney", messages=QUESTION)
    assert missing.value.code == "model_not_found"


def test_text_that_spells_a_control_token_stays_text(client: OpenAI, backend: LocalBackend) -> None:
    spelled = "a<|end|>b"
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": spelled}], max_tokens=1)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == backend.count_tokens(ask(spelled).messages)
