"""LangChain's messages to a Backend's and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, Piece
from domainkit.messages import Message, ToolCall

ROLES = {"system": "system", "developer": "system", "human": "user", "user": "user", "ai": "assistant",
         "AIMessageChunk": "assistant", "assistant": "assistant", "tool": "tool"}  # fmt: skip
SILENT_BLOCKS = {
    "tool_use",
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "reasoning",
    "thinking",
    "non_standard",
}
"""Blocks that repeat what stands elsewhere in the message, or are no part of the conversation's text."""


def to_backend(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """The conversation for a Backend. Raises RequestError for a role or a kind of content that text models have none for."""
    return tuple(_message(m) for m in messages)


def _message(message: BaseMessage) -> Message:
    kind = message.role if isinstance(message, ChatMessage) else message.type
    role: Any = ROLES.get(kind)
    if role is None:
        raise RequestError(
            f"no role for a message of type '{kind}'", next_step="use system, human, ai or tool messages"
        )
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return Message(
        role,
        _text(message),
        tuple(ToolCall(c["id"] or f"call_{i}", c["name"], c["args"]) for i, c in enumerate(calls)),
        message.tool_call_id if isinstance(message, ToolMessage) else None,
        message.name,
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
        elif block.get("type") not in SILENT_BLOCKS:
            raise RequestError(
                f"a {message.type} message holds a block of type '{block.get('type')}', and the model reads text only",
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
    """A piece as LangChain's chunk; the last one carries calls, usage and metadata."""
    done = piece.completion
    if done is None:
        return ChatGenerationChunk(message=AIMessageChunk(content=piece.text))
    calls = [
        tool_call_chunk(name=c.name, args=json.dumps(c.arguments, ensure_ascii=False), id=c.id, index=i)
        for i, c in enumerate(done.tool_calls)
    ]
    broken = [
        tool_call_chunk(name=None, args=c.text, id=None, index=len(calls) + i)
        for i, c in enumerate(done.invalid_tool_calls)
    ]
    message = AIMessageChunk(
        content=piece.text,
        tool_call_chunks=[*calls, *broken],
        usage_metadata=_usage(done),
        response_metadata=metadata(done, model_name),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def metadata(completion: Completion, model_name: str) -> dict[str, Any]:
    """What `response_metadata` says of an answer."""
    facts: dict[str, Any] = {
        "model_name": model_name,
        "model_provider": "domainkit",
        "finish_reason": completion.finish_reason,
        "prefill_seconds": completion.prefill_seconds,
        "decode_seconds": completion.decode_seconds,
    }
    if completion.choice_probabilities:
        facts["choice_probabilities"] = completion.choice_probabilities
    if completion.logprobs:
        facts["logprobs"] = {"content": [{"token": t.token, "logprob": t.logprob} for t in completion.logprobs]}
    return facts


def _usage(completion: Completion) -> UsageMetadata:
    read, written = completion.prompt_tokens, completion.completion_tokens
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
