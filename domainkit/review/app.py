"""The desk as a web page of this machine: the page, and a small JSON interface behind the same guards as `serve`."""

from __future__ import annotations

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domainkit.errors import validation_error_text
from domainkit.messages import JsonObject
from domainkit.review.desk import Desk, SentClick
from domainkit.serving.guards.journal import Journal
from domainkit.serving.guards.keys import Guarded
from domainkit.serving.guards.limits import Limited, Limits
from domainkit.serving.guards.metrics import Metrics
from domainkit.serving.own_page import own_page
from domainkit.serving.wire.errors import ApiError
from domainkit.storage import parse_json

PLAIN = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
"""Answers are not kept by the browser."""


def make_app(desk: Desk) -> Starlette:
    routes = [
        Route("/", page),
        Route("/desk", state),
        Route("/questions/{number:int}", question, methods=["GET"]),
        Route("/questions/{number:int}", click, methods=["POST"]),
        Route("/questions/{number:int}/reference", reference, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Journal, metrics=Metrics(), paths=["/", "/desk"]),
            Middleware(Guarded, keys=[], loopback=True),
            Middleware(Limited, limits=Limits(body_bytes=1 << 20), admission=desk.admission),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.state.desk = desk
    return app


async def page(request: Request) -> Response:
    return own_page("domainkit.review", "desk.html")


async def state(request: Request) -> Response:
    return _json(_desk(request).state())


async def question(request: Request) -> Response:
    desk, number = _opened(request)
    return _json(desk.question(number))


async def click(request: Request) -> Response:
    """What the reviewer says of a question. Answered when it is on the disk."""
    desk, number = _opened(request)
    try:
        said = SentClick.model_validate(parse_json(await request.body()))
    except ValidationError as e:
        raise ApiError(400, validation_error_text(e.errors()[0], SentClick)) from e
    except ValueError as e:
        raise ApiError(400, f"the body is no JSON: {e}") from e
    if said.session != desk.session:
        raise ApiError(409, "the desk was started again for other questions or another person; load the page again")
    return _json(desk.take(number, said))  # not in a thread: clicks are kept in the order they come


async def reference(request: Request) -> Response:
    desk, number = _opened(request)
    return _json({"reference": desk.show_reference(number)})


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _opened(request: Request) -> tuple[Desk, int]:
    """Questions come in their order: one that was skipped would take its chance with it."""
    desk, number = _desk(request), int(request.path_params["number"])
    if not desk.open(number):
        raise ApiError(404, f"question {number + 1} is not open; the next one is {desk.next + 1} of {desk.total}")
    return desk, number


def _json(content: JsonObject) -> Response:
    return JSONResponse(content, headers=PLAIN)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = ApiError(error.status_code, error.detail.lower())
    return JSONResponse(reply.body, error.status_code, error.headers)
