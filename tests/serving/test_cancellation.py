"""Work ends with the connection: in the engine, not only in the socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from domainkit.inference.local import LocalBackend
from domainkit.serving.state import State
from tests.serving.running_server import http, running

ENDLESS = "[a-z]{1900}"
LONG: dict[str, Any] = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "tell me everything"}],
    "max_tokens": 1900,
    "structured_outputs": {"regex": ENDLESS},  # else the random base may end at any token
}


def wait_for(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def started(backend: LocalBackend) -> Any:
    """The sequence that the engine works on."""
    engine = backend.engine()
    wait_for(lambda: engine._running)
    return engine._running[0]


def check_dropped(sequence: Any, backend: LocalBackend) -> None:
    wait_for(lambda: backend.engine().busy == 0)
    assert sequence.result.cancelled
    assert len(sequence.tokens) - len(sequence.prompt) < LONG["max_tokens"]


def test_a_stream_that_nobody_reads_any_more_is_dropped(
    address: str, backend: LocalBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "domainkit.requests")
    with http.stream("POST", f"{address}/v1/chat/completions", json={**LONG, "stream": True}) as response:
        lines = response.iter_lines()
        next(lines)
        sequence = started(backend)
    check_dropped(sequence, backend)
    wait_for(lambda: [r for r in caplog.records if r.name == "domainkit.requests"])
    line = next(r.message for r in caplog.records if r.name == "domainkit.requests")
    assert json.loads(line)["status"] == 499


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_whole_answer_that_nobody_waits_for_is_dropped(address: str, backend: LocalBackend, path: str) -> None:
    text = {**{k: v for k, v in LONG.items() if k != "messages"}, "prompt": [5, 6]}
    body = LONG if path.startswith("/v1/chat") else text
    content = json.dumps(body).encode()
    place = urlsplit(address)
    with socket.create_connection((str(place.hostname), int(place.port or 0))) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        sequence = started(backend)
    check_dropped(sequence, backend)


def test_a_chain_ends_with_the_connection(tiny_base: str, backend: LocalBackend) -> None:
    """A winner's chain runs in a loop of its own; cancelling reaches through it to the engine."""
    import asyncio

    from domainkit import DomainLLM
    from domainkit.serving.winner import beside

    llm = DomainLLM(base=tiny_base, max_tokens=1900)

    async def leave() -> Any:
        asking = asyncio.ensure_future(beside(llm.ainvoke("tell me everything", regex=ENDLESS)))
        while not backend.engine()._running:
            await asyncio.sleep(0.005)
        sequence = backend.engine()._running[0]
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return sequence

    check_dropped(asyncio.run(leave()), backend)


def test_running_answers_finish_when_the_server_stops(state: State, backend: LocalBackend) -> None:
    mine = State(state.models)
    body = {**LONG, "max_tokens": 200, "stream": True}
    with running(mine) as address, http.stream("POST", f"{address}/v1/chat/completions", json=body) as response:
        lines = response.iter_lines()
        next(lines)
        mine.admission.stopping = True
        refused = http.post(f"{address}/v1/chat/completions", json=LONG)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
        assert refused.headers["retry-after"]
        assert http.get(f"{address}/health").status_code == 503
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert '"finish_reason": "length"' in rest[-2]
