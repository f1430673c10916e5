"""The journal: an id, a line and a count for each request, and an answer for each error. Texts are never written."""

from __future__ import annotations

import json
import logging
import re
import time
import traceback
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domainkit.inference.backend import Completion
from domainkit.serving.guards.metrics import Metrics
from domainkit.serving.wire.answers import usage
from domainkit.serving.wire.errors import ClientGoneError, as_api_error

log = logging.getLogger("domainkit.requests")
"""One JSON object a line."""
GONE = 499
"""The status of a request whose client has left, as nginx writes it."""
_ID = re.compile(rb"[\w.:-]{1,128}\Z")


@dataclass
class Record:
    """What the journal writes of one request. Endpoints fill in what they learn."""

    id: str
    path: str
    """A known path, or "other": a path may hold anything."""
    model: str = ""
    status: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    stream: bool = False
    error: str = ""
    """The code of a refusal, or the type of an error."""
    begin: float = field(default_factory=time.monotonic)
    first_token: float | None = None
    """Seconds until a stream's first part."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begin

    def count(self, completions: Collection[Completion]) -> None:
        counted = usage(completions)
        self.prompt_tokens, self.completion_tokens = counted["prompt_tokens"], counted["completion_tokens"]

    def line(self) -> str:
        fields = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": self.id,
            "path": self.path,
            "model": self.model,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "stream": self.stream,
        }
        return json.dumps(fields | ({"error": self.error} if self.error else {}), ensure_ascii=False)


class Journal:
    """The outermost of the guards."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: Collection[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = Record(_request_id(scope), scope["path"] if scope["path"] in self._paths else "other")
        scope.setdefault("state", {})["record"] = record
        answering = _Answering(send, record)
        try:
            await self._app(scope, receive, answering)
        except ClientGoneError:  # an answer without its end: the server closes the connection
            record.status, record.error = GONE, "client_gone"
        except Exception as e:
            await self._fail(e, record, answering, scope, receive)
        finally:
            self._write(record)

    async def _fail(
        self, error: Exception, record: Record, answering: _Answering, scope: Scope, receive: Receive
    ) -> None:
        reply = as_api_error(error)
        record.error = reply.code or (type(error).__name__ if reply.status >= 500 else reply.body["error"]["type"])
        if reply.status >= 500:
            # Where it happened, without the error's message, which may quote a text.
            frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)]
            log.error(json.dumps({"id": record.id, "error": type(error).__name__, "frames": frames[-12:]}))
        if not answering.started:
            await JSONResponse(reply.body, reply.status, reply.headers)(scope, receive, answering)

    def _write(self, record: Record) -> None:
        log.info(record.line())
        self._metrics.request(record.path, record.model, record.status, record.seconds)
        if record.model:
            self._metrics.tokens(record.model, record.prompt_tokens, record.completion_tokens)
        if record.first_token is not None:
            self._metrics.first_token(record.model, record.first_token)


class _Answering:
    """`send` that notes the status, and sends the id along."""

    def __init__(self, send: Send, record: Record) -> None:
        self._send = send
        self._record = record
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._record.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", self._record.id.encode())]
            message = {**message, "headers": headers}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """The client's own id, where it sends one that is safe to write."""
    given = dict(scope["headers"]).get(b"x-request-id", b"")
    return given.decode() if _ID.match(given) else f"req_{uuid.uuid4().hex}"
