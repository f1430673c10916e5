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
from domainkit.messages import CALL_OPEN, JsonObject, Message, Role, ToolCall

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
CALL_BLOCKS = {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call"}
"""Content blocks that repeat the message's own tool calls."""


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
    words, reasoning = _blocks(message)
    try:
        f"{words}{reasoning}".encode()
    except UnicodeEncodeError as e:
        raise RequestError(
            f"a {message.type} message is not valid Unicode: it has half a surrogate pair at character {e.start}",
            next_step="decode the text it came from as UTF-8, or take the character out",
        ) from e
    return Message(
        role,
        words,
        tool_calls=tuple(ToolCall(c["name"], c["args"], c["id"] or f"call_{i}") for i, c in enumerate(calls)),
        tool_call_id=message.tool_call_id if isinstance(message, ToolMessage) else None,
        name=message.name,
        reasoning=reasoning,
    )


def _blocks(message: BaseMessage) -> tuple[str, str]:
    """(words, reasoning) of a message's content. Raises RequestError for a block that is neither."""
    words: list[str] = []
    reasoning: list[str] = []
    for block in [message.content] if isinstance(message.content, str) else message.content:
        kind = "text" if isinstance(block, str) else block.get("type")
        if isinstance(block, str):
            words.append(block)
        elif kind in ("text", "plaintext", "text-plain"):
            words.append(str(block.get("text", "")))
        elif kind in ("reasoning", "thinking") and isinstance(message, AIMessage):
            reasoning.append(_reasoning_text(block))
        elif not (kind in CALL_BLOCKS and isinstance(message, AIMessage)):
            raise RequestError(
                f"a {message.type} message contains a block of type '{kind}'; the model reads text only",
                next_step="send its text, or a description of it",
            )
    beside = message.additional_kwargs.get("reasoning_content") if isinstance(message, AIMessage) else None
    if isinstance(beside, str) and beside not in reasoning:
        reasoning.append(beside)
    return "".join(words), "\n".join(filter(None, reasoning))


def _reasoning_text(block: JsonObject) -> str:
    """LangChain's and Anthropic's blocks hold it as text, OpenAI's as a summary."""
    summary = "\n".join(str(s.get("text", "")) for s in block.get("summary") or () if isinstance(s, dict))
    return str(block.get("reasoning") or block.get("thinking") or summary)


def to_result(completion: Completion, model_name: str) -> ChatResult:
    """The answer as LangChain's result of one prompt."""
    message = AIMessage(
        content=completion.text,
        additional_kwargs=_reasoning(completion.reasoning),
        tool_calls=[tool_call(name=c.name, args=c.arguments, id=c.id) for c in completion.tool_calls],
        invalid_tool_calls=[
            invalid_tool_call(name=None, args=_raw_call(c.text), id=None, error=c.reason)
            for c in completion.invalid_tool_calls
        ],
        usage_metadata=_usage(completion),
        response_metadata=metadata(completion, model_name),
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def to_chunk(piece: Piece, model_name: str) -> ChatGenerationChunk:
    """A piece as LangChain's chunk. The last one carries calls, usage and metadata."""
    completion = piece.completion
    if completion is None:
        kwargs = _reasoning(piece.reasoning)
        return ChatGenerationChunk(message=AIMessageChunk(content=piece.text, additional_kwargs=kwargs))
    calls = [
        tool_call_chunk(name=c.name, args=json.dumps(c.arguments, ensure_ascii=False), id=c.id, index=i)
        for i, c in enumerate(completion.tool_calls)
    ]
    invalid = [
        tool_call_chunk(name=None, args=_raw_call(c.text), id=None, index=len(calls) + i)
        for i, c in enumerate(completion.invalid_tool_calls)
    ]
    message = AIMessageChunk(
        content=piece.text,
        additional_kwargs=_reasoning(piece.reasoning),
        tool_call_chunks=[*calls, *invalid],
        usage_metadata=_usage(completion),
        response_metadata=metadata(completion, model_name),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message)


def _raw_call(text: str) -> str:
    """An unusable call's text. LangChain completes the start of a JSON object in a stream to a call without a name, so
    such a text keeps the mark that stood before it."""
    return f"{CALL_OPEN}\n{text}" if text.lstrip().startswith("{") or not text else text


def _reasoning(text: str) -> JsonObject:
    """Where LangChain looks for reasoning; `content_blocks` shows it as a block of its own."""
    return {"reasoning_content": text} if text else {}


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


def _usage(completion: Completion) -> UsageMetadata | None:
    """None where a server reports none: no prompt is without a token."""
    prompt, answer = completion.prompt_tokens, completion.completion_tokens
    if prompt <= 0:
        return None
    return UsageMetadata(input_tokens=prompt, output_tokens=answer, total_tokens=prompt + answer)
