"""Answers as OpenAI's objects: chat completions, text completions, and the chunks of their streams."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from domainkit.inference.backend import Completion, Piece, TokenLogprob
from domainkit.messages import CALL_CLOSE, CALL_OPEN, JsonObject

LEAST_LOGPROB = -9999.0
"""Of a token that cannot come: JSON has no infinity."""
BytesOf = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    completion: Completion
    passages: tuple[JsonObject, ...] = ()
    """What a winner has read beside the question."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a streamed answer: which of the `n` answers it belongs to, and what is new."""

    index: int
    piece: Piece
    passages: tuple[JsonObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """What all objects of one exchange share."""

    model: str
    fingerprint: str
    """Changes with the weights."""
    kind: str = "chat.completion"
    bytes_of: BytesOf | None = None
    logprobs: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def fields(self, kind: str) -> JsonObject:
        prefix = "chatcmpl-" if self.kind.startswith("chat") else "cmpl-"
        return {
            "id": f"{prefix}{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


def usage(completions: Iterable[Completion]) -> JsonObject:
    """The prompt counts once, however many answers it has."""
    found = list(completions)
    prompt = max((c.prompt_tokens for c in found), default=0)
    written = sum(c.completion_tokens for c in found)
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


# ---- chat ------------------------------------------------------------------------------------------------------------


def chat_completion(head: Head, answers: Sequence[Answer]) -> JsonObject:
    """The whole answer of POST /v1/chat/completions. `passages` and `choice_probabilities` are beyond OpenAI's form."""
    choices = [_choice(head, i, answer) for i, answer in enumerate(answers)]
    body = {**head.fields(head.kind), "choices": choices, "usage": usage(a.completion for a in answers)}
    return {**body, "passages": list(answers[0].passages)} if answers[0].passages else body


def _choice(head: Head, index: int, answer: Answer) -> JsonObject:
    completion = answer.completion
    message: JsonObject = {"role": "assistant", "content": whole_text(completion), "refusal": None}
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    if completion.tool_calls:
        message["tool_calls"] = _calls(completion)
        message["content"] = message["content"] or None
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(head, completion.logprobs),
        "finish_reason": completion.finish_reason,
        **_probabilities(completion),
    }


def chat_chunks(head: Head, part: Part, *, first: bool) -> Iterable[JsonObject]:
    """The chunks of one part. Clients join texts, so role, ids and names stand in one chunk only."""
    piece = part.piece
    delta: JsonObject = {"role": "assistant", "content": ""} if first else {}
    if piece.text:
        delta["content"] = piece.text
    if piece.reasoning:
        delta["reasoning_content"] = piece.reasoning
    beside = {"passages": list(part.passages)} if part.passages else {}
    if delta or piece.logprobs or beside:
        yield {**_chunk(head, part.index, delta, logprobs=piece.logprobs), **beside}
    if piece.completion is None:
        return
    rest: JsonObject = {}
    if invalid := _invalid_calls(piece.completion):
        rest["content"] = invalid
    if piece.completion.tool_calls:
        rest["tool_calls"] = _calls(piece.completion, indexed=True)
    last = _chunk(head, part.index, rest, piece.completion.finish_reason)
    last["choices"][0] |= _probabilities(piece.completion)
    yield last


def _chunk(
    head: Head, index: int, delta: JsonObject, finish: str | None = None, logprobs: Sequence[TokenLogprob] = ()
) -> JsonObject:
    choice = {"index": index, "delta": delta, "logprobs": _logprobs(head, logprobs), "finish_reason": finish}
    return {**head.fields("chat.completion.chunk"), "choices": [choice]}


def usage_chunk(head: Head, completions: Iterable[Completion]) -> JsonObject:
    """The last chunk of a stream whose client asked for the usage."""
    kind = "chat.completion.chunk" if head.kind.startswith("chat") else head.kind
    return {**head.fields(kind), "choices": [], "usage": usage(completions)}


def whole_text(completion: Completion) -> str:
    """The answer's words. A call that cannot be used as one stays there as it was written."""
    return completion.text + _invalid_calls(completion)


def _invalid_calls(completion: Completion) -> str:
    return "".join(f"{CALL_OPEN}\n{call.text}\n{CALL_CLOSE}" for call in completion.invalid_tool_calls)


def _calls(completion: Completion, *, indexed: bool = False) -> list[JsonObject]:
    """Calls in OpenAI's form, their arguments as JSON text."""
    calls = []
    for i, call in enumerate(completion.tool_calls):
        function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
        position = {"index": i} if indexed else {}
        calls.append({**position, "id": call.id, "type": "function", "function": function})
    return calls


def _probabilities(completion: Completion) -> JsonObject:
    found = completion.choice_probabilities
    return {"choice_probabilities": found} if found else {}


def _logprobs(head: Head, logprobs: Sequence[TokenLogprob]) -> JsonObject | None:
    if not (head.logprobs and logprobs):
        return None
    found = [{**_token(head, t), "top_logprobs": [_token(head, top) for top in t.top]} for t in logprobs]
    return {"content": found, "refusal": None}


def _token(head: Head, token: TokenLogprob) -> JsonObject:
    known = token.id is not None and head.bytes_of is not None
    raw = head.bytes_of(token.id) if known and head.bytes_of and token.id is not None else token.token.encode()
    return {"token": token.token, "logprob": max(token.logprob, LEAST_LOGPROB), "bytes": list(raw)}


# ---- text completions ------------------------------------------------------------------------------------------------


def text_completion(head: Head, choices: Sequence[JsonObject], completions: Sequence[Completion]) -> JsonObject:
    """The whole answer of POST /v1/completions."""
    return {**head.fields(head.kind), "choices": list(choices), "usage": usage(completions)}


def text_choice(
    head: Head, index: int, text: str, finish: str | None, logprobs: Sequence[TokenLogprob], **beside: object
) -> JsonObject:
    """A choice, or a part of a streamed one."""
    return {
        "index": index,
        "text": text,
        "logprobs": _plain_logprobs(head, logprobs),
        "finish_reason": finish,
        **beside,
    }


def text_chunk(head: Head, choice: JsonObject) -> JsonObject:
    return {**head.fields(head.kind), "choices": [choice]}


def _plain_logprobs(head: Head, logprobs: Sequence[TokenLogprob]) -> JsonObject | None:
    """The older form of log-probabilities."""
    if not (head.logprobs and logprobs):
        return None
    offsets, at = [], 0
    for token in logprobs:
        offsets.append(at)
        at += len(token.token)
    return {
        "tokens": [t.token for t in logprobs],
        "token_logprobs": [max(t.logprob, LEAST_LOGPROB) for t in logprobs],
        "top_logprobs": [{top.token: max(top.logprob, LEAST_LOGPROB) for top in t.top} for t in logprobs],
        "text_offset": offsets,
    }
