"""Text completions, tokens and scores in vLLM's form, by OpenAI's client and by ServerBackend."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from domainkit import DomainLLM
from domainkit.inference.backend import Request
from domainkit.inference.local import LocalBackend
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message
from domainkit.serving.state import State
from tests.inference.tiny_adapters import ask


def test_text_goes_on_from_ids_and_from_text(client: OpenAI, backend: LocalBackend) -> None:
    request = ask("where is my hive?", max_tokens=6)
    ids = backend.prompt_ids(request)
    expected = backend.complete([request])[0].text
    whole = client.completions.create(model="tiny", prompt=ids, max_tokens=6)
    assert whole.choices[0].text == expected
    stream = client.completions.create(model="tiny", prompt=ids, max_tokens=6, stream=True, n=2)
    texts = {0: "", 1: ""}
    for chunk in stream:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == {0: expected, 1: expected}
    spoken: Any = ["one", "two"]
    both = client.completions.create(model="tiny", prompt=spoken, max_tokens=2, echo=True)
    assert [c.text[:3] for c in both.choices] == spoken
    assert [c.index for c in both.choices] == [0, 1]


def test_a_text_that_looks_like_reasoning_stays_as_it_is(backend: LocalBackend) -> None:
    """Of a raw prompt nobody knows the turns, so no part of the text is taken for thoughts."""
    from domainkit.inference.constrained.read_answer import words_only

    assert words_only(Request(()))
    assert not words_only(ask("a"))


def test_prompt_logprobs_are_the_models_own(client: OpenAI, backend: LocalBackend) -> None:
    messages = (Message("user", "hm"),)
    prompt = backend.prompt_ids(Request(messages))
    answer = backend.token_ids("brood" * 70)  # longer than what is scored at once
    body: Any = {"prompt_logprobs": 0}
    found = client.completions.create(model="tiny", prompt=[*prompt, *answer], max_tokens=1, extra_body=body)
    steps: Any = found.choices[0].model_extra["prompt_logprobs"]  # type: ignore[index]
    assert steps[0] is None
    assert len(steps) == len(prompt) + len(answer)
    scored = sum(step[str(i)]["logprob"] for step, i in zip(steps[len(prompt) :], answer, strict=True))
    assert scored == pytest.approx(backend.score(messages, ["brood" * 70])[0], rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [[1], ["a"]]}, "prompt"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "echo": True, "logprobs": 1}, "echo"),
        ({"prompt": "a", "prompt_logprobs": 3}, "prompt_logprobs"),
        ({"prompt": "a", "stream": True, "prompt_logprobs": 0}, "prompt_logprobs"),
        ({"prompt": "x" * 2100}, "prompt"),
        ({"prompt": [99999]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
    ],
)
def test_wrong_prompts_are_refused(client: OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/completions", body={"model": "tiny", **fields}, cast_to=httpx.Response)
    assert (caught.value.param or "").partition("[")[0] == param


def test_our_server_backend_gives_what_the_local_one_gives(
    address: str, backend: LocalBackend, state: State, adapter_home: Any
) -> None:
    """Texts, log-probabilities, calls, schemas, scores and tokens; an adapter folder is loaded by its path."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tool = {"type": "function", "function": {"name": "weigh", "parameters": schema}}
    blue = str(adapter_home / "blue")
    requests = [
        ask("where?", logprobs=True),
        ask("where?", adapter=blue, max_tokens=24),
        ask("where?", temperature=0.9, seed=7),
        ask("where?", json_schema=schema, max_tokens=40),
        ask("where?", tools=(tool,), tool_choice="any", max_tokens=60),
        ask("where?", choices=("wax", "brood")),
        ask("where?", regex="[a-c]{3}"),
        ask("where?", tools=(tool,), max_tokens=24, stop=("\x1f",)),
    ]
    theirs = ServerBackend(url=address)
    for request, ours, other in zip(requests, backend.complete(requests), theirs.complete(requests), strict=True):
        assert (ours.text, ours.finish_reason) == (other.text, other.finish_reason)
        assert [(c.name, c.arguments) for c in ours.tool_calls] == [(c.name, c.arguments) for c in other.tool_calls]
        assert [t.token for t in ours.logprobs] == [t.token for t in other.logprobs]
        assert ours.prompt_tokens == other.prompt_tokens
        assert "".join(p.text for p in theirs.stream(request)) == other.text
    messages = requests[0].messages
    for adapter in (None, blue):
        expected = backend.score(messages, ["wax", "brood"], adapter=adapter)
        assert theirs.score(messages, ["wax", "brood"], adapter=adapter) == pytest.approx(expected, rel=1e-5)
    assert theirs.count_tokens(messages) == backend.count_tokens(messages)
    assert theirs.token_ids("a <|end|> b") == backend.token_ids("a <|end|> b")
    llm = DomainLLM(backend="server", backend_options={"url": address}, max_tokens=12)
    local = DomainLLM(base=backend.base, max_tokens=12)
    assert llm.batch(["one", "two"])[1].text == local.invoke("two").text
    theirs.close()
