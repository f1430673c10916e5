"""An answer is worked on while somebody waits for it: it ends with the connection, and with its time.

Starlette notices a disconnect for streams only; here both kinds are watched (`receive` gives `http.disconnect`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domainkit.messages import JsonObject
from domainkit.serving.wire.errors import ClientGoneError, as_api_error

T = TypeVar("T")


async def unless_gone(receive: Receive, work: Coroutine[object, object, T], deadline: float) -> T:
    """What `work` gives. It is cancelled when the client disconnects (ClientGoneError) or at the loop's time
    `deadline` (TimeoutError)."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_disconnected(receive))
    try:
        async with asyncio.timeout_at(deadline):
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(items: AsyncGenerator[T]) -> T:
    """The first item, which is always there; `items` go on after it."""
    return await anext(items)


def deadline_in(seconds: float) -> float:
    """The running loop's time after so many seconds."""
    return asyncio.get_running_loop().time() + seconds


def event(value: JsonObject) -> bytes:
    """A server-sent event. JSON holds no line ends, so one line is enough."""
    return b"data: " + json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace") + b"\n\n"


DONE = b"data: [DONE]\n\n"


class EventStream(Response):
    """Server-sent events, sent as they come, until the last one or until the client goes."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], deadline: float) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]  # of an empty body, which this is not
        self._events = events
        self._deadline = deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await unless_gone(receive, self._send_all(send), self._deadline)
        except TimeoutError as e:
            await send({"type": "http.response.body", "body": event(as_api_error(e).body), "more_body": False})
        finally:
            await self._events.aclose()

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._events) as events:
            async for text in events:
                await send({"type": "http.response.body", "body": text, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
