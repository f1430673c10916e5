"""A line for each request, with counts and without a word of what was asked or answered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from domainkit.serving.guards.journal import Journal
from domainkit.serving.guards.metrics import Metrics
from tests.serving.running_server import http


def lines(caplog: pytest.LogCaptureFixture) -> list[Any]:
    return [json.loads(record.message) for record in caplog.records if record.name == "domainkit.requests"]


def soon(look: Callable[[], Any]) -> Any:
    """What `look` finds. A request is written down after its answer was sent, so it may take a moment."""
    end = time.monotonic() + 30
    while (found := look()) is None and time.monotonic() < end:
        time.sleep(0.01)
    return found


def test_a_line_counts_and_quotes_nothing(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "domainkit.requests")
    body = {"model": "red", "messages": [{"role": "user", "content": "my secret"}], "max_tokens": 3, "stream": True}
    answer = http.post(f"{address}/v1/chat/completions", json=body, headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    line = soon(lambda: next((found for found in lines(caplog) if found["id"] == "mine-1"), None))
    assert set(line) == {
        *("time", "id", "path", "model", "status", "seconds", "prompt_tokens", "completion_tokens", "stream")
    }
    assert (line["path"], line["status"], line["stream"]) == ("/v1/chat/completions", 200, True)
    assert (line["completion_tokens"], line["model"][:4]) == (3, "red-")
    odd = http.get(f"{address}/my/secret", headers={"x-request-id": "a b\\"})
    assert odd.status_code == 404
    assert odd.headers["x-request-id"].startswith("req_")
    assert odd.json()["error"]["type"] == "invalid_request_error"
    assert "secret" not in caplog.text
    counted = 'domainkit_requests_total{path="other",model="",status="404"} '
    page = soon(lambda: page if counted in (page := http.get(f"{address}/metrics")).text else None)
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'domainkit_tokens_total{{model="{line["model"]}",kind="completion"}}' in page.text


async def test_an_unforeseen_error_is_told_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("my secret")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope: Any = {"type": "http", "path": "/health", "method": "GET", "headers": []}
    await Journal(broken, Metrics(), ["/health"])(scope, receive, send)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-should-retry"]) == (500, b"false")
    assert json.loads(sent[1]["body"])["error"]["type"] == "server_error"
    assert b"secret" not in sent[1]["body"]
    assert "secret" not in caplog.text
    assert any("test_journal.py" in m and "RuntimeError" in m for m in caplog.messages)
