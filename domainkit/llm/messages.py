"""LangChain's messages to a Backend's and back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, Piece
from domainkit.messages import JsonObject, Message, Role, ToolCall

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "human": "user",
    "user": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "assistant": "assistant",
    "tool": "tool",
}
SKIPPED_BLOCKS = {
    "tool_use",
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "reasoning",
    "thinking",
    "non_standard",
}
"""Content blocks that repeat what another field of the message has, or are not part of the conversation's text."""


def to_backend(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """The conversation for a Backend. Raises RequestError for roles and content that a text model cannot read."""
    return tuple(_message(m) for m in messages)


def _message(message: BaseMessage) -> Message:
    kind = message.role if isinstance(message, ChatMessage) else message.type
    role = ROLES.get(kind)
    if role is None:
        raise RequestError(
            f"a message of type '{kind}' has no role in a conversation",
            next_step="use system, human, ai or tool messages",
        )
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return Message(
        role,
        _text(message),
        tool_calls=tuple(ToolCall(c["name"], c["args"], c["id"] or f"call_{i}") for i, c in enumerate(calls)),
        tool_call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
        name=message.name,
    )


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    parts = []
    for block in message.content:
        if isinstance(block, str):
            parts.append(block)
        elif block.get("type") in ("text", "plaintext", "text-plain"):
            parts.append(str(block.get("text", "")))
        elif block.get("type") not in SKIPPED_BLOCKS:
            raise RequestError(
                f"a {message.type} message contains a block of type '{block.get('type')}'; the model reads text only",
                next_step="send its text, or a description of it",
            )
    return "".join(parts)


def to_result(completion: Completion, model_name: str) -> ChatResult:
    """The answer as LangChain's result of one prompt."""
    message = AIMessage(
        content=completion.text,
        tool_calls=[tool_call(name=c.name, args=c.arguments, id=c.id) for c in completion.tool_calls],
        invalid_tool_calls=[
            invalid_tool_call(name=None, args=c.text, id=None, error=c.reason) for c in completion.invalid_tool_calls
        ],
        usage_metadata=_usage(completion),
        response_metadata=metadata(completion, model_name),
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def to_chunk(piece: Piece, model_name: str) -> ChatGenerationChunk:
    """A piece as LangChain's chunk. The last one carries calls, usage and metadata."""
    completion = piece.completion
    if completion is None:
        return ChatGenerationChunk(message=AIMessageChunk(content=piece.text))
    calls = [
        tool_call_chunk(name=c.name, args=json.dumps(c.arguments, ensure_ascii=False), id=c.id, index=i)
        for i, c in enumerate(completion.tool_calls)
    ]
    invalid = [
        tool_call_chunk(name=None, args=c.text, id=None, index=len(calls) + i)
        for i, c in enumerate(completion.invalid_tool_calls)
    ]
    message = AIMessageChunk(
        content=piece.text,
        tool_call_chunks=[*calls, *invalid],
        usage_metadata=_usage(completion),
        response_metadata=metadata(completion, model_name),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def metadata(completion: Completion, model_name: str) -> JsonObject:
    """The `response_metadata` of an answer."""
    values: JsonObject = {
        "model_name": model_name,
        "model_provider": "domainkit",
        "finish_reason": completion.finish_reason,
        "prefill_seconds": completion.prefill_seconds,
        "decode_seconds": completion.decode_seconds,
    }
    if completion.choice_probabilities:
        values["choice_probabilities"] = completion.choice_probabilities
    if completion.logprobs:
        values["logprobs"] = {"content": [{"token": t.token, "logprob": t.logprob} for t in completion.logprobs]}
    return values


def _usage(completion: Completion) -> UsageMetadata:
    prompt, answer = completion.prompt_tokens, completion.completion_tokens
    return UsageMetadata(input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer)
