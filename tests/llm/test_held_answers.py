"""Answers of other packages' chat models, held to a form by their provider, against a real server on loopback."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from domainkit import DomainLLM
from domainkit.llm.held_answers import HeldModel, held_by, hold
from tests.hosted_server import Hosted, hosted

CHOICES = {"choices": ["red", "blue"]}
FIELDS = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "answer": {"type": ["integer", "null"]}},
    "required": ["name", "answer"],
    "additionalProperties": False,
}
ONE = {**FIELDS, "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
LIST = {"json_schema": {"type": "array", "items": {"enum": ["red", "blue"]}}}


class ToolsOnly(ChatOpenAI):
    """A class with tools that inherits structured output, as those of small providers do."""

    def with_structured_output(self, schema: Any = None, **kwargs: Any) -> Any:
        return super(ChatOpenAI, self).with_structured_output(schema, method="function_calling", **kwargs)


@pytest.fixture
def provider() -> Iterator[Hosted]:
    with hosted(lambda body: json.dumps({"answer": "blue"})) as made:
        yield made


@pytest.mark.parametrize(
    ("constraint", "reply", "text"),
    [
        (CHOICES, '{"answer": "blue"}', "blue"),
        (CHOICES, '{"answer": "green"}', "green"),
        (CHOICES, "blue, I think", "blue, I think"),
        (CHOICES, "{}", "{}"),
        (CHOICES, '<think>red?</think>\n{"answer": "blue"}', "blue"),
        (LIST, '{"answer": ["red", "blue"]}', '["red", "blue"]'),
        ({"json_schema": FIELDS}, '{"name": "Zoë", "answer": null}', '{"name": "Zoë", "answer": null}'),
        ({"json_schema": ONE}, '{"answer": "red"}', '{"answer": "red"}'),
        ({"json_schema": {"anyOf": [FIELDS, ONE]}}, '{"answer": {"answer": "red"}}', '{"answer": "red"}'),
    ],
)
@pytest.mark.parametrize("of_calls", [False, True])
def test_an_answer_is_the_label_or_the_json(constraint: Any, reply: str, text: str, of_calls: bool) -> None:
    with hosted(lambda body: reply) as provider:
        model = ToolsOnly(**_options(provider)) if of_calls else provider.model()
        answer = hold(model, constraint).invoke("hello")
    assert (answer.text, answer.tool_calls, answer.invalid_tool_calls) == (text, [], [])
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == 10
    assert answer.response_metadata["model_name"] == "scripted-2026-01-01"


def test_the_provider_gets_a_strict_schema_with_an_object_at_the_top(provider: Hosted) -> None:
    hold(provider.model(), CHOICES).invoke("hello")
    hold(provider.model(), {"json_schema": {**FIELDS, "additionalProperties": True}}).invoke("hello")
    strict, loose = (body["response_format"]["json_schema"] for body in provider.bodies)
    assert strict["schema"]["properties"] == {"answer": {"type": "string", "enum": ["red", "blue"]}}
    assert (strict["strict"], loose["strict"]) == (True, False)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_cut_off_is_unreadable_and_counted(provider: Hosted, reason: str) -> None:
    provider.finish = reason
    provider.reply = lambda body: '{"answer": "bl'
    answer = hold(provider.model(), CHOICES).invoke("hello")
    assert answer.text == '{"answer": "bl'
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 2
    assert answer.response_metadata["finish_reason"] == reason


async def test_batches_are_asked_at_once_and_keep_their_errors(provider: Hosted) -> None:
    provider.fault = lambda body: (500, {}) if "broken" in str(body["messages"]) else None
    held = hold(provider.model(), CHOICES)
    good, bad = held.batch(["fine", "broken"], {"max_concurrency": 2}, return_exceptions=True)
    assert good.text == "blue"
    assert isinstance(bad, Exception)
    assert (await held.ainvoke("fine")).text == "blue"
    assert [m.text for m in held.stream("fine")] == ["blue"]
    assert [m.text async for m in held.astream("fine")] == ["blue"]


def test_the_three_ways_are_told_apart_without_a_request(provider: Hosted, tiny_base: str) -> None:
    fake, own = FakeListChatModel(responses=["red"]), DomainLLM(base=tiny_base)
    assert held_by(provider.model(), CHOICES) == "structured output"
    assert held_by(ToolsOnly(**_options(provider)), CHOICES) == "structured output"
    assert held_by(provider.model(), {"regex": "a"}) == held_by(provider.model(), {}) == "parsed"
    assert held_by(provider.model().with_retry(), CHOICES) == "parsed", "it would lose its retries"
    assert held_by(fake, CHOICES) == "parsed"
    assert held_by(own, CHOICES) == "grammar"
    assert hold(fake, CHOICES).invoke("hello").text == "red"
    assert hold(own, {}) is own
    assert provider.bodies == []


def test_it_is_copied_to_another_process_as_its_model_is() -> None:
    held = HeldModel(llm=FakeListChatModel(responses=["red"]), answer_schema=FIELDS, wrapped=False)
    assert pickle.loads(pickle.dumps(held)) == held


def _options(provider: Hosted) -> dict[str, Any]:
    return {"model": "scripted", "base_url": f"{provider.url}/v1", "api_key": "none", "max_retries": 0}
