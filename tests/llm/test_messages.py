"""LangChain's messages become the backend's and back, with nothing lost and nothing that a text model cannot read."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, Piece, TokenLogprob
from domainkit.llm.messages import to_backend, to_chunk, to_result
from domainkit.messages import InvalidToolCall, Message, ToolCall

COMPLETION = Completion(
    "Let me see.",
    "tool_calls",
    prompt_tokens=7,
    completion_tokens=5,
    tool_calls=(ToolCall("add", {"a": 1}, "c1"),),
    invalid_tool_calls=(InvalidToolCall("not JSON (Expecting value: line 1)", "add(1)"),),
    logprobs=(TokenLogprob("Let", -0.5),),
    choice_probabilities={"yes": 1.0},
)


def test_roles_calls_and_results_reach_the_backend() -> None:
    called = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}])
    turns = [SystemMessage("s"), HumanMessage("u"), called, ToolMessage("2", tool_call_id="c1", name="add")]
    assert to_backend(turns) == (
        Message("system", "s"),
        Message("user", "u"),
        Message("assistant", "", (ToolCall("add", {"a": 1}, "c1"),)),
        Message("tool", "2", tool_call_id="c1", name="add"),
    )
    assert to_backend([ChatMessage("x", role="developer")]) == (Message("system", "x"),)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
    ],
)
def test_text_blocks_are_joined_and_reasoning_is_kept_beside_them(block: Any) -> None:
    [message] = to_backend([AIMessage(["a", {"type": "text", "text": "b"}, block])])
    assert (message.content, message.reasoning) == ("ab", "hm")
    [other] = to_backend([AIMessage("ab", additional_kwargs={"reasoning_content": "hm"})])
    assert other == message


def test_other_blocks_are_refused() -> None:
    blocks: list[Any] = [{"type": "non_standard", "value": {}}, {"type": "video"}, {"no": "type"}]
    for block in blocks:
        with pytest.raises(RequestError, match=f"a block of type '{block.get('type')}'; the model reads text only"):
            to_backend([AIMessage([block])])
    reasoning: Any = {"type": "reasoning", "reasoning": "hm"}
    with pytest.raises(RequestError, match="a human message contains a block of type 'reasoning'"):
        to_backend([HumanMessage([reasoning])])
    with pytest.raises(RequestError, match="block of type 'image_url'; the model reads text only"):
        to_backend([HumanMessage([{"type": "image_url", "image_url": {"url": "x"}}])])
    with pytest.raises(RequestError, match="a message of type 'critic' has no role"):
        to_backend([ChatMessage("x", role="critic")])


def test_a_result_has_calls_invalid_calls_usage_and_metadata() -> None:
    message = to_result(COMPLETION, "red").generations[0].message
    assert isinstance(message, AIMessage)
    assert message.content == "Let me see."
    assert message.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
    [invalid] = message.invalid_tool_calls
    assert (invalid["error"], invalid["args"]) == ("not JSON (Expecting value: line 1)", "add(1)")
    assert message.usage_metadata == {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    assert message.response_metadata["model_name"] == "red"
    assert message.response_metadata["logprobs"] == {"content": [{"token": "Let", "logprob": -0.5}]}
    assert message.response_metadata["choice_probabilities"] == {"yes": 1.0}


def test_only_the_last_chunk_has_calls_and_usage() -> None:
    first, last = to_chunk(Piece("Let me "), "red").message, to_chunk(Piece("see.", COMPLETION), "red").message
    assert first.usage_metadata is None  # type: ignore[attr-defined]
    whole: Any = first + last  # type: ignore[operator]
    assert whole.content == "Let me see."
    assert [c["args"] for c in whole.tool_calls] == [{"a": 1}]
    assert [c["args"] for c in whole.invalid_tool_calls] == ["add(1)"]
    assert whole.usage_metadata["total_tokens"] == 12


def test_reasoning_is_where_langchain_looks_for_it_whole_and_streamed() -> None:
    completion = Completion("so", "stop", prompt_tokens=1, completion_tokens=2, reasoning="why")
    message = to_result(completion, "m").generations[0].message
    assert message.content_blocks == [{"type": "reasoning", "reasoning": "why"}, {"type": "text", "text": "so"}]
    pieces = [Piece("", reasoning="w"), Piece("", reasoning="hy"), Piece("s"), Piece("o", completion)]
    chunks: list[Any] = [to_chunk(p, "m").message for p in pieces]
    whole = chunks[0] + chunks[1] + chunks[2] + chunks[3]
    assert (whole.content, whole.additional_kwargs) == ("so", {"reasoning_content": "why"})
    again = to_backend([message])
    assert (again[0].content, again[0].reasoning) == ("so", "why")


@pytest.mark.parametrize("cut", ["{", '{"name": "add", "argu', '{"name": "no_tool", "arguments": {}}', ""])
def test_a_call_that_is_no_call_never_becomes_one_in_a_stream(cut: str) -> None:
    invalid = (InvalidToolCall("cut off before its end", cut),)
    completion = Completion("", "length", prompt_tokens=1, completion_tokens=2, invalid_tool_calls=invalid)
    chunks: list[Any] = [to_chunk(p, "m").message for p in (Piece("Hm "), Piece("", completion))]
    whole: Any = to_result(completion, "m").generations[0].message
    for message in (chunks[0] + chunks[1], whole):
        assert message.tool_calls == []
        assert len(message.invalid_tool_calls) == 1
        assert message.invalid_tool_calls[0]["args"].endswith(cut)


def test_half_a_surrogate_is_an_error_of_the_request() -> None:
    with pytest.raises(RequestError, match="is not valid Unicode: it has half a surrogate pair at character 1"):
        to_backend([HumanMessage("x\ud800")])
