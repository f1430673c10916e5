"""Requests are written, and answers read, in OpenAI's chat format; an answer that ignores the request is refused."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.errors import RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.wire import ServerAnswer, error_text, page_text, request_body
from domainkit.llm.messages import to_result
from domainkit.messages import Message, ToolCall

ASK = (Message("user", "Hello?"),)
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]},
    },
}


def test_a_conversation_with_tools_is_written_as_openai_does() -> None:
    call = ToolCall("add", {"a": True}, "c1")
    messages = (*ASK, Message("assistant", "", (call,)), Message("tool", "2", tool_call_id="c1", name="add"))
    body = request_body(Request(messages, tools=(ADD["function"],), tool_choice="add", json_schema={}), "m")
    assert body["tools"] == [ADD]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert "response_format" not in body, "a forced call leaves no room for another grammar"
    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": true}'}
    assert body["messages"][2] == {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "add"}


def test_streamed_calls_are_joined_and_invalid_ones_kept_with_a_reason() -> None:
    answer = ServerAnswer(Request(ASK, tools=(ADD,)))
    for index, function in [
        (0, {"name": "add", "arguments": ""}),
        (1, {"name": "sub", "arguments": "{}"}),
        (0, {"arguments": '{"a": '}),
        (0, {"arguments": "true}"}),
        (2, {"name": "add", "arguments": "{"}),
    ]:
        answer.add(
            {"choices": [{"delta": {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}}]}
        )
    answer.add({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    completion = answer.completion(0.5)
    assert completion.tool_calls == (ToolCall("add", {"a": True}, "c0"),)
    assert completion.invalid_tool_calls[0].reason == "no tool is named 'sub'"
    assert completion.invalid_tool_calls[1].reason.startswith("not JSON (")
    assert completion.decode_seconds == 0.5


def test_an_error_in_the_stream_and_an_unknown_finish_are_errors() -> None:
    with pytest.raises(RequestError, match="ended the answer too early: out of memory"):
        ServerAnswer(Request(ASK)).add({"error": {"message": "out of memory"}})
    with pytest.raises(RequestError, match="finish_reason None"):
        ServerAnswer(Request(ASK)).completion(0)


@pytest.mark.parametrize(
    "fields, message, reason",
    [
        ({"choices": ("yes", "no")}, {"content": "Sure, yes!"}, "ignored the choices: it answered 'Sure, yes!'"),
        ({"json_schema": {"type": "object"}}, {"content": "Sure!"}, "ignored the JSON schema: it answered 'Sure!'"),
        ({"tools": (ADD,), "tool_choice": "any"}, {"content": "Sure!"}, "ignored tool_choice 'any'"),
        ({"logprobs": True}, {"content": "Sure!"}, "ignored logprobs"),
    ],
)
def test_a_server_that_ignores_the_request_s_constraint_is_reported(
    fields: dict[str, Any], message: dict[str, Any], reason: str
) -> None:
    answer = ServerAnswer(Request(ASK, **fields))
    answer.add({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"completion_tokens": 3}})
    with pytest.raises(RequestError) as e:
        answer.completion(0)
    assert reason in str(e.value)
    assert "vLLM" in str(e.value.next_step)


def test_a_streamed_answer_shows_no_part_of_a_call() -> None:
    answer = ServerAnswer(Request(ASK, tools=(ADD,)))
    shown = []
    for text in ("Let me ", "see. <tool", '_call>\n{"name": "add", "arguments": {"a": true}}\n</tool_call>'):
        answer.add({"choices": [{"delta": {"content": text}}]})
        shown.append(answer.shown.text)
    assert shown == ["Let me", "Let me see.", "Let me see."]
    answer.add({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    completion = answer.completion(0)
    assert (completion.text, completion.finish_reason) == ("Let me see.", "tool_calls")
    assert [c.arguments for c in completion.tool_calls] == [{"a": True}]


@pytest.mark.parametrize(
    "payload",
    [
        {"error": {"message": "too long"}},
        {"detail": "too long"},
        {"message": "too long"},
        {"detail": [{"msg": "too long", "loc": ["body"]}]},
        "too long",
    ],
)
def test_an_error_s_message_is_found_in_every_usual_form(payload: Any) -> None:
    assert error_text(payload) == "too long"


def test_an_answer_that_breaks_the_schema_or_makes_more_calls_than_one_is_reported() -> None:
    answer = ServerAnswer(Request(ASK, json_schema={"type": "array", "uniqueItems": True}))
    answer.add({"choices": [{"message": {"content": "[1, 1]"}, "finish_reason": "stop"}]})
    with pytest.raises(RequestError, match="breaks 'uniqueItems'"):
        answer.completion(0)
    request = Request(ASK, tools=(ADD,), parallel_tool_calls=False)
    assert request_body(request, "m")["parallel_tool_calls"] is False
    two = ServerAnswer(request)
    calls = [{"index": i, "id": f"c{i}", "function": {"name": "add", "arguments": '{"a": true}'}} for i in range(2)]
    two.add({"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]})
    with pytest.raises(RequestError, match="ignored parallel_tool_calls=False: it made 2 calls"):
        two.completion(0)


def test_a_gateways_page_is_one_line_without_its_tags() -> None:
    page = "<html><head><style>h1 {x}</style><title>502</title></head>\n<body><h1>Bad\n Gateway</h1></body></html>"
    assert page_text(page) == "502 Bad Gateway"


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": "x", "completion_tokens": -2}, {"prompt_tokens": 1.5}])
def test_counts_that_are_none_are_not_believed_and_lose_no_answer(usage: object) -> None:
    answer = ServerAnswer(Request(ASK))
    answer.add({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": usage})
    completion = answer.completion(0)
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("yes", 0, 0)
    assert getattr(to_result(completion, "m").generations[0].message, "usage_metadata", 0) is None
