"""GET /v1/models, POST /v1/load_lora_adapter, POST /v1/unload_lora_adapter"""

from __future__ import annotations

import importlib.util

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from domainkit.serving.cancellation import deadline_in, unless_gone
from domainkit.serving.endpoints.embeddings import EMBEDDINGS, PACKAGE
from domainkit.serving.models import model_facts
from domainkit.serving.state import record_of, state_of
from domainkit.serving.wire.bodies import LoadBody, UnloadBody, read_body
from domainkit.serving.wire.errors import ApiError


async def models(request: Request) -> Response:
    """All models: the base first."""
    lines = [model.facts() for model in state_of(request).models.all()]
    if importlib.util.find_spec(PACKAGE) is not None:
        lines.append({**model_facts(EMBEDDINGS, 0), "root": EMBEDDINGS, "embeddings": True})
    return JSONResponse({"object": "list", "data": lines})


async def one_model(request: Request) -> Response:
    """One of them by its name."""
    return JSONResponse(state_of(request).models.find(request.path_params["name"]).facts())


async def load_adapter(request: Request) -> Response:
    """Serve an adapter from the folder that was named at the start."""
    state = state_of(request)
    body = read_body(await request.body(), LoadBody)
    loading = state.models.load(body.lora_name, body.lora_path)
    model = await unless_gone(request.receive, loading, deadline_in(state.limits.seconds))
    record_of(request).model = model.id
    return PlainTextResponse(f"Success: LoRA adapter '{model.id}' added successfully.")


async def unload_adapter(request: Request) -> Response:
    """Serve an adapter no more."""
    body = read_body(await request.body(), UnloadBody)
    if body.lora_int_id is not None:
        raise ApiError(400, "adapters are named here, not numbered; leave it out", param="lora_int_id")
    state_of(request).models.unload(body.lora_name)
    return PlainTextResponse(f"Success: LoRA adapter '{body.lora_name}' removed successfully.")
