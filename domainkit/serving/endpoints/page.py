"""GET /: a page on which a person asks a model and sees the passages it used."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from domainkit.serving.own_page import own_page


async def page(request: Request) -> Response:
    return own_page("domainkit.serving", "page.html")
