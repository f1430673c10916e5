"""Each limit refuses with its own status and code, and what is refused costs nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from domainkit.inference.local import LocalBackend
from domainkit.serving.guards.limits import Limits, _Body, _Patient
from domainkit.serving.models import Models
from domainkit.serving.state import State
from domainkit.serving.wire.errors import ApiError, ClientGoneError
from tests.serving.running_server import http, running
from tests.serving.test_cancellation import LONG, wait_for

SHORT = {"model": "tiny", "messages": LONG["messages"], "max_tokens": 1}
JSON = {"content-type": "application/json"}


def test_a_full_server_says_when_to_come_back(state: State, backend: LocalBackend) -> None:
    with running(State(state.models, Limits(requests=1))) as address:
        url = f"{address}/v1/chat/completions"
        with http.stream("POST", url, json={**LONG, "stream": True}) as response:
            lines = response.iter_lines()  # kept: httpx closes the connection of an iterator that is dropped
            next(lines)
            full = http.post(url, json=SHORT)
            assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
            assert int(full.headers["retry-after"]) > 0
            assert http.get(f"{address}/v1/models").status_code == 200  # what computes nothing is not counted
        wait_for(lambda: backend.engine().busy == 0 and http.post(url, json=SHORT).status_code == 200)


def test_time_is_limited_whole_and_streamed(state: State, backend: LocalBackend) -> None:
    with running(State(state.models, Limits(seconds=0.3))) as address:
        url = f"{address}/v1/chat/completions"
        late = http.post(url, json=LONG)
        assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
        assert late.headers["x-should-retry"] == "false"
        wait_for(lambda: backend.engine().busy == 0)
        cut = http.post(url, json={**LONG, "stream": True})
        assert '"code": "timeout"' in cut.text or cut.json()["error"]["code"] == "timeout"
        assert "[DONE]" not in cut.text
        wait_for(lambda: backend.engine().busy == 0)


def test_bodies_and_prompts_are_limited(state: State) -> None:
    assert state.models.base is not None
    models = Models(replace(state.models.base, prompt_limit=40))
    with running(State(models, Limits(body_bytes=2000))) as address:
        url = f"{address}/v1/chat/completions"
        assert http.post(url, json={**SHORT, "messages": [{"role": "user", "content": "x"}]}).status_code == 200
        long = http.post(url, json={**SHORT, "messages": [{"role": "user", "content": "x" * 60}]})
        assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
        assert "reads at most 40" in long.json()["error"]["message"]
        for content in (b"x" * 3000, iter([b"x" * 1500, b"x" * 1500])):  # announced, and in chunks
            large = http.post(url, content=content, headers=JSON)
            assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_body_that_drips_is_given_up() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    with pytest.raises(ApiError, match=r"did not come within 0\.01 s") as caught:
        await _Body(never, Limits(body_seconds=0.01))()
    assert (caught.value.status, caught.value.code) == (408, "body_too_slow")


async def test_a_client_that_does_not_read_loses_its_answer() -> None:
    async def stuck(message: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClientGoneError):
        await _Patient(stuck, 0.01)({"type": "http.response.body"})
