"""Who may ask: keys, and, without one, only programs that address this machine by its own name."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from domainkit.serving.wire.errors import ApiError

OPEN = ("/health", "/")
"""Paths without a key: whether the server is up, and the page, which is the same for everyone and holds nothing."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guarded:
    """Refuses requests without one of the keys.

    Without keys on a loopback address, the Host header must name this machine: else a web page could reach the server
    through a name of its own that leads here (DNS rebinding). POST takes JSON only, which a browser sends to another
    site's server after asking it, and this one does not agree.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[str], *, loopback: bool) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]
        self._only_local = loopback and not keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._check(scope)
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._only_local and host_name(headers.get(b"host", b"").decode("latin-1")) not in LOOPBACK:
            raise ApiError(403, "the server answers to localhost only; give it a key to serve other names", code="host")
        if self._keys and scope["path"] not in OPEN and not self._known(headers.get(b"authorization", b"")):
            raise ApiError(401, "no valid key: send Authorization: Bearer KEY", code="invalid_api_key")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if scope["method"] == "POST" and kind != b"application/json":
            raise ApiError(415, "the body must be application/json", code="content_type")

    def _known(self, header: bytes) -> bool:
        scheme, _, given = header.partition(b" ")
        # Every key is compared, in constant time: how long it takes tells nothing.
        found = [secrets.compare_digest(given.strip(), key) for key in self._keys]
        return scheme.lower() == b"bearer" and any(found)


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
