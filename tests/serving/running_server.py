"""A server of the tiny base on a free port of this machine, in a thread: real sockets, real clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from domainkit.serving.app import make_app
from domainkit.serving.run import serve
from domainkit.serving.state import State

http = httpx.Client(timeout=60)
"""One client for all tests: making one reads the machine's certificates each time."""


@contextmanager
def running(state: State, **options: Any) -> Iterator[str]:
    """The server's address; it has stopped gracefully at the end."""
    ports: list[int] = []
    ready, failed = threading.Event(), list[BaseException]()

    def on_ready(port: int) -> None:
        ports.append(port)
        ready.set()

    def run() -> None:
        try:
            serve(make_app(state, **options), state, host="127.0.0.1", port=0, on_ready=on_ready)
        except BaseException as e:
            failed.append(e)
        finally:
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait(60)
    if failed:
        raise failed[0]
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        state.admission.stopping = True
        thread.join(60)
        assert not thread.is_alive()
