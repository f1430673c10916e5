"""The ASGI application: routes, guards, and what is loaded before the first request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domainkit.serving.endpoints.chat import chat
from domainkit.serving.endpoints.completions import completions
from domainkit.serving.endpoints.embeddings import embeddings
from domainkit.serving.endpoints.health import health, metrics, version
from domainkit.serving.endpoints.models import load_adapter, models, one_model, unload_adapter
from domainkit.serving.endpoints.page import page
from domainkit.serving.endpoints.tokenize import tokenize
from domainkit.serving.engine import in_thread
from domainkit.serving.guards.journal import Journal
from domainkit.serving.guards.keys import Guarded
from domainkit.serving.guards.limits import Limited
from domainkit.serving.state import State
from domainkit.serving.wire.errors import ApiError

ROUTES = (
    Route("/", page),
    Route("/health", health),
    Route("/version", version),
    Route("/metrics", metrics),
    Route("/tokenize", tokenize, methods=["POST"]),
    Route("/v1/models", models),
    Route("/v1/models/{name:path}", one_model),
    Route("/v1/chat/completions", chat, methods=["POST"]),
    Route("/v1/completions", completions, methods=["POST"]),
    Route("/v1/embeddings", embeddings, methods=["POST"]),
    Route("/v1/load_lora_adapter", load_adapter, methods=["POST"]),
    Route("/v1/unload_lora_adapter", unload_adapter, methods=["POST"]),
)


def make_app(state: State, *, keys: Sequence[str] = (), loopback: bool = True) -> Starlette:
    """The application over `state`. Nothing is loaded until it is served; then everything is, before the first
    request."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        await in_thread(state.models.start)
        yield
        if state.observer is not None:
            state.observer.close()

    app = Starlette(
        routes=list(ROUTES),
        lifespan=lifespan,
        middleware=[
            Middleware(Journal, metrics=state.metrics, paths=[r.path for r in ROUTES]),
            Middleware(Guarded, keys=list(keys), loopback=loopback),
            Middleware(Limited, limits=state.limits, admission=state.admission),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.state.serving = state
    return app


async def _refused(request: Request, error: Exception) -> Response:
    """404 and 405 in OpenAI's form."""
    assert isinstance(error, HTTPException)
    reply = ApiError(error.status_code, f"{request.method} {request.url.path}: {error.detail.lower()}")
    return JSONResponse(reply.body, error.status_code, error.headers)
