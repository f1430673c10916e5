"""POST /v1/chat/completions"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domainkit.serving.cancellation import DONE, EventStream, deadline_in, event, first_of, unless_gone
from domainkit.serving.guards.journal import Record
from domainkit.serving.models import EngineModel, ServedModel
from domainkit.serving.observed import tell_observer
from domainkit.serving.state import record_of, state_of
from domainkit.serving.wire.answers import Answer, Head, Part, chat_chunks, chat_completion, usage_chunk
from domainkit.serving.wire.bodies import ChatBody, read_body
from domainkit.serving.wire.errors import as_api_error

Answered = Callable[[Sequence[Answer], float], None]


async def chat(request: Request) -> Response:
    """A chat completion, whole or as a stream."""
    state, record = state_of(request), record_of(request)
    body = read_body(await request.body(), ChatBody)
    model = state.models.find(body.model)
    record.model, record.stream = model.id, body.stream
    deadline = deadline_in(state.limits.seconds)
    call = await unless_gone(request.receive, model.understand(body), deadline)
    head = _head(model, body)
    if body.stream:
        parts = call.parts()
        first = await unless_gone(request.receive, first_of(parts), deadline)  # its errors have a status of their own
        answered = partial(tell_observer, state, model, body)
        return EventStream(_events(head, first, parts, body, record, answered), deadline)
    answers = await unless_gone(request.receive, call.answers(), deadline)
    record.count([a.completion for a in answers])
    tell_observer(state, model, body, answers, record.seconds)
    return JSONResponse(chat_completion(head, answers))


def _head(model: ServedModel, body: ChatBody) -> Head:
    bytes_of = model.backend.spelling.bytes_of if body.logprobs and isinstance(model, EngineModel) else None
    return Head(model.id, model.fingerprint, bytes_of=bytes_of, logprobs=body.logprobs)


async def _events(
    head: Head, first: Part, rest: AsyncGenerator[Part], body: ChatBody, record: Record, answered: Answered
) -> AsyncGenerator[bytes]:
    """The stream's events. An error in it is an event too."""
    begun, passages, answers = set[int](), first.passages, list[Answer]()
    try:
        async with aclosing(rest):
            async for part in _joined(first, rest):
                record.first_token = record.seconds if record.first_token is None else record.first_token
                for chunk in chat_chunks(head, part, first=part.index not in begun):
                    yield event({**chunk, "usage": None} if body.include_usage else chunk)
                begun.add(part.index)
                passages = passages or part.passages
                if part.piece.completion is not None:
                    answers.append(Answer(part.piece.completion, passages))
                    record.count([a.completion for a in answers])
        if body.include_usage:
            yield event(usage_chunk(head, [a.completion for a in answers]))
        answered(answers, record.seconds)
    except Exception as e:
        reply = as_api_error(e)
        record.error = reply.code or type(e).__name__
        yield event(reply.body)
    yield DONE


async def _joined(first: Part, rest: AsyncGenerator[Part]) -> AsyncGenerator[Part]:
    yield first
    async for part in rest:
        yield part
