"""GET /health, /version and /metrics"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

import domainkit
from domainkit.serving.state import state_of


async def health(request: Request) -> Response:
    """200 while requests are taken, 503 while the server stops."""
    return Response(status_code=503 if state_of(request).admission.stopping else 200)


async def version(request: Request) -> Response:
    return JSONResponse({"version": f"domainkit {domainkit.__version__}"})


async def metrics(request: Request) -> Response:
    state = state_of(request)
    text = state.metrics.text(state.admission.running)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
