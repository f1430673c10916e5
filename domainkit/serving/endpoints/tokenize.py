"""POST /tokenize, in vLLM's form. The spelling of a control token is encoded as characters, as everywhere here."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domainkit.inference.backend import Request as BackendRequest
from domainkit.llm.calls import CallOptions, request_tools
from domainkit.serving.cancellation import deadline_in, unless_gone
from domainkit.serving.engine import in_thread
from domainkit.serving.models import EngineModel
from domainkit.serving.state import state_of
from domainkit.serving.wire.bodies import TokenizeBody, read_body
from domainkit.serving.wire.errors import ApiError, about
from domainkit.serving.wire.messages import read_messages


async def tokenize(request: Request) -> Response:
    """The token ids of a prompt, or of a conversation as the model reads it."""
    state = state_of(request)
    body = read_body(await request.body(), TokenizeBody)
    model = state.models.find_engine(body.model)
    if (body.prompt is None) == (body.messages is None):
        raise ApiError(400, "give either prompt or messages", param="prompt")
    work = in_thread(partial(_ids, model, body))
    ids = await unless_gone(request.receive, work, deadline_in(state.limits.seconds))
    return JSONResponse({"count": len(ids), "max_model_len": model.backend.engine().context, "tokens": ids})


def _ids(model: EngineModel, body: TokenizeBody) -> list[int]:
    if body.prompt is not None:
        return text_ids(model, body.prompt, special=body.add_special_tokens)
    assert body.messages is not None
    messages = read_messages(body.messages)
    with about("tools"):
        tools = request_tools(CallOptions(tools=body.tools)).tools
    options = body.chat_template_kwargs or {}
    with about("messages"):
        if body.add_generation_prompt:
            return model.backend.prompt_ids(
                BackendRequest(messages, model.adapter, tools=tools, template_options=options)
            )
        template = model.backend.template_of(model.adapter).with_options(options)
        turns, native = template.with_tools(messages, tools)
        return template.encode_chat(turns, add_generation_prompt=False, tools=native)


def text_ids(model: EngineModel, text: str, *, special: bool) -> list[int]:
    """The ids of plain text, with what the tokenizer puts around a text where `special`."""
    ids = model.backend.token_ids(text)
    if not special:
        return ids
    tokenizer = model.backend.tokenizer
    inner: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    outer: list[int] = tokenizer("a")["input_ids"]
    n_before = next(i for i in range(len(outer)) if outer[i : i + len(inner)] == inner)
    return [*outer[:n_before], *ids, *outer[n_before + len(inner) :]]
