"""Serve an application with uvicorn until the process is asked to stop; running answers finish then."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Protocol

import uvicorn
from starlette.applications import Starlette

from domainkit.errors import MachineError
from domainkit.serving.guards.journal import log
from domainkit.serving.guards.keys import LOOPBACK
from domainkit.serving.guards.limits import Admission

POLL_SECONDS = 0.05


class Served(Protocol):
    """The state of what is served."""

    @property
    def admission(self) -> Admission: ...


class Server(uvicorn.Server):
    """On SIGTERM or Ctrl-C it refuses new requests (503) and waits for the running ones; on a second signal it ends."""

    def __init__(self, config: uvicorn.Config, state: Served, on_ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._state = state
        self._on_ready = on_ready
        self._waiting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready(self.servers[0].sockets[0].getsockname()[1])

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._state.admission.stopping:
            self.should_exit = self.force_exit = True
        self._state.admission.stopping = True

    async def on_tick(self, counter: int) -> bool:
        if self._state.admission.stopping and self._waiting is None:
            self._waiting = asyncio.create_task(self._finish())
        return await super().on_tick(counter)

    async def _finish(self) -> None:
        """Every answer has its own time limit, so the wait ends."""
        while self._state.admission.running:
            await asyncio.sleep(POLL_SECONDS)
        self.should_exit = True


def serve(app: Starlette, state: Served, *, host: str, port: int, on_ready: Callable[[int], None]) -> None:
    """Serve until a signal. `on_ready` gets the port once everything is loaded; port 0 takes a free one.

    Raises MachineError where the address cannot be used, and what loading the models raises.
    """
    listener = _listener(host, port)
    config = uvicorn.Config(
        app,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level=logging.CRITICAL,  # the journal writes what is worth it; uvicorn's tracebacks may quote texts
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with listener:
        asyncio.run(_run(Server(config, state, on_ready), app, listener))


async def _run(server: Server, app: Starlette, listener: socket.socket) -> None:
    # uvicorn would hide what loading raises behind an exit code of its own: load first, then serve.
    async with app.router.lifespan_context(app):
        await server.serve([listener])


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as e:
        listener.close()
        reason = getattr(e, "strerror", None) or str(e)
        raise MachineError(
            f"cannot listen there: {reason.lower()}",
            where=f"{host}:{port}",
            next_step="choose another --port or --host",
        ) from e
    return listener


def is_loopback(host: str) -> bool:
    return host in LOOPBACK or host.startswith("127.")


def log_to_stderr() -> None:
    """The journal's lines, and nothing else, as they are."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
