"""POST /v1/completions: text that goes on from a prompt, without a chat template around it.

vLLM's prompt_logprobs scores a prompt's own tokens, which is how ServerBackend scores continuations.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domainkit.inference.backend import Completion
from domainkit.inference.backend import Request as BackendRequest
from domainkit.messages import JsonObject
from domainkit.serving.cancellation import DONE, EventStream, deadline_in, event, first_of, unless_gone
from domainkit.serving.endpoints.tokenize import text_ids
from domainkit.serving.engine import in_thread, merged, pieces, whole_answers
from domainkit.serving.guards.journal import Record
from domainkit.serving.models import EngineModel
from domainkit.serving.state import record_of, state_of
from domainkit.serving.wire.answers import Head, Part, text_choice, text_chunk, text_completion, usage_chunk
from domainkit.serving.wire.bodies import CompletionBody, read_body
from domainkit.serving.wire.errors import ApiError, about, as_api_error
from domainkit.serving.wire.requests import completion_request, seeds

MOST_PROMPTS = 128


@dataclass(frozen=True, slots=True)
class Going:
    """One text that goes on."""

    request: BackendRequest
    prompt: list[int]
    echo: str
    """What stands before the new text in the answer."""


async def completions(request: Request) -> Response:
    """Text completions, whole or as a stream."""
    state, record = state_of(request), record_of(request)
    body = read_body(await request.body(), CompletionBody)
    model = state.models.find_engine(body.model)
    record.model, record.stream = model.id, body.stream
    deadline = deadline_in(state.limits.seconds)
    texts = await unless_gone(request.receive, in_thread(partial(_texts, model, body)), deadline)
    head = Head(model.id, model.fingerprint, "text_completion", logprobs=body.logprobs is not None)
    if body.stream:
        parts = merged([pieces(model.backend, t.request, t.prompt) for t in texts])
        first = await unless_gone(request.receive, first_of(parts), deadline)
        return EventStream(_events(head, texts, first, parts, body, record), deadline)
    work = whole_answers(model.backend, [t.request for t in texts], [t.prompt for t in texts])
    found = await unless_gone(request.receive, work, deadline)
    record.count(found)
    scores = await unless_gone(request.receive, _prompt_scores(model, texts, body), deadline)
    choices = [
        text_choice(head, i, text.echo + c.text, c.finish_reason, c.logprobs, **beside)
        for i, (text, c, beside) in enumerate(zip(texts, found, scores, strict=True))
    ]
    return JSONResponse(text_completion(head, choices, found))


def _texts(model: EngineModel, body: CompletionBody) -> list[Going]:
    """Every prompt, `n` times. Raises ApiError for what cannot be combined."""
    if model.backend.chat_template.architecture.has_encoder:
        raise ApiError(400, "an encoder-decoder answers chats only: POST /v1/chat/completions", param="model")
    if body.stream and body.prompt_logprobs is not None:
        raise ApiError(400, "prompt_logprobs are not streamed", param="prompt_logprobs")
    if body.echo and body.logprobs is not None:
        raise ApiError(400, "logprobs are of new tokens only; ask for prompt_logprobs, or leave echo out", param="echo")
    request = completion_request(body, model.adapter)
    found = []
    for prompt in _prompts(body):
        ids = text_ids(model, prompt, special=body.add_special_tokens) if isinstance(prompt, str) else prompt
        with about("prompt"):
            ids = model.backend.checked_ids(ids)
        model.check_length(len(ids), "prompt")
        echo = (prompt if isinstance(prompt, str) else str(model.backend.tokenizer.decode(ids))) if body.echo else ""
        found += [Going(replace(request, seed=seed), ids, echo) for seed in seeds(body)]
    if not found or len(found) > MOST_PROMPTS:
        raise ApiError(400, f"give 1 to {MOST_PROMPTS} prompts, counted n times", param="prompt")
    return found


def _prompts(body: CompletionBody) -> list[str | list[int]]:
    prompt = body.prompt
    if isinstance(prompt, str):
        return [prompt]
    if all(isinstance(p, int) for p in prompt):
        return [[p for p in prompt if isinstance(p, int)]]
    return [p for p in prompt if not isinstance(p, int)]


async def _prompt_scores(model: EngineModel, texts: list[Going], body: CompletionBody) -> list[JsonObject]:
    """vLLM's prompt_logprobs for each choice: nothing for the first token, then {id: {logprob, decoded_token}}."""
    if body.prompt_logprobs is None:
        return [{} for _ in texts]
    return [{"prompt_logprobs": await in_thread(partial(_scored, model, text.prompt))} for text in texts]


def _scored(model: EngineModel, ids: list[int]) -> list[JsonObject | None]:
    scores = model.backend.score_tokens(ids, adapter=model.adapter)
    decode = model.backend.tokenizer.decode
    pairs = zip(ids[1:], scores, strict=True)
    return [None, *({str(i): {"logprob": score, "decoded_token": decode([i])}} for i, score in pairs)]


async def _events(
    head: Head, texts: list[Going], first: Part, rest: AsyncGenerator[Part], body: CompletionBody, record: Record
) -> AsyncGenerator[bytes]:
    begun, found = set[int](), list[Completion]()
    part: Part | None = first
    try:
        async with aclosing(rest):
            while part is not None:
                record.first_token = record.seconds if record.first_token is None else record.first_token
                piece, echo = part.piece, "" if part.index in begun else texts[part.index].echo
                begun.add(part.index)
                finish = None
                if piece.completion is not None:
                    finish = piece.completion.finish_reason
                    found.append(piece.completion)
                    record.count(found)
                yield event(text_chunk(head, text_choice(head, part.index, echo + piece.text, finish, piece.logprobs)))
                part = await anext(rest, None)
        if body.include_usage:
            yield event(usage_chunk(head, found))
    except Exception as e:
        reply = as_api_error(e)
        record.error = reply.code or type(e).__name__
        yield event(reply.body)
    yield DONE
