"""Limits: how much one client may send, and how many are served at once; what ends when the server stops."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domainkit.serving.wire.errors import ApiError, ClientGoneError

COMPUTED = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/load_lora_adapter")
"""Paths whose requests compute something: they are counted, and refused while the server stops."""
RETRY_SECONDS = 2
"""What a client that finds the server full or stopping is asked to wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. Beyond them a request is refused with the limit's name."""

    requests: int = 256
    """Requests that run or wait at the same time; the engine batches them."""
    seconds: float = 600.0
    """Time for one answer."""
    prompt_tokens: int | None = None
    """Longest prompt; None is what the base reads."""
    body_bytes: int = 8 << 20
    body_seconds: float = 30.0
    """Time to send a body."""
    send_seconds: float = 30.0
    """Time for a client to take the next part of an answer."""


class Admission:
    """How many requests are running, and whether new ones are taken."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.stopping = False

    def enter(self) -> None:
        """Raises ApiError 503 while the server stops, 429 when it is full."""
        if self.stopping:
            raise ApiError(503, "the server is stopping", code="stopping", retry_after=RETRY_SECONDS)
        if self.running >= self.limit:
            what = f"{self.limit} requests are running or waiting, which is the server's limit"
            raise ApiError(429, what, code="queue_full", retry_after=RETRY_SECONDS)
        self.running += 1

    def leave(self) -> None:
        self.running -= 1


class Limited:
    """Applies the limits to every request."""

    def __init__(self, app: ASGIApp, limits: Limits, admission: Admission) -> None:
        self._app = app
        self._limits = limits
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["path"] in COMPUTED
        body, patient = _Body(receive, self._limits), _Patient(send, self._limits.send_seconds)
        body.check_length(dict(scope["headers"]).get(b"content-length"))
        if counted:
            self._admission.enter()
        try:
            await self._app(scope, body, patient)
        finally:
            if counted:
                self._admission.leave()


class _Body:
    """`receive` with a limit on the body's size, and on the time it takes."""

    def __init__(self, receive: Receive, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._size = 0
        self._whole = False

    def check_length(self, length: bytes | None) -> None:
        if length is not None and length.isdigit() and int(length) > self._limits.body_bytes:
            raise self._too_large()

    async def __call__(self) -> Message:
        if self._whole:  # what still comes is the disconnect, however late
            return await self._receive()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                message = await self._receive()
        except TimeoutError:
            what = f"the body did not come within {self._limits.body_seconds:g} s"
            raise ApiError(408, what, code="body_too_slow") from None
        self._whole = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > self._limits.body_bytes:
            raise self._too_large()
        return message

    def _too_large(self) -> ApiError:
        return ApiError(413, f"the body is larger than {self._limits.body_bytes:,} bytes", code="body_too_large")


class _Patient:
    """`send` that gives up on a client that does not read: its answer ends, and its slot is free."""

    def __init__(self, send: Send, seconds: float) -> None:
        self._send = send
        self._seconds = seconds

    async def __call__(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._send(message)
        except TimeoutError:
            raise ClientGoneError from None
