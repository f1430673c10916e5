"""Who may ask: holders of a key; without one, programs of this machine, and no web page."""

from __future__ import annotations

import pytest

from domainkit.serving.guards.keys import host_name
from domainkit.serving.state import State
from tests.serving.running_server import http, running

BODY = {"model": "tiny", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}


def test_a_key_guards_all_but_health_and_the_page(state: State) -> None:
    with running(State(state.models), keys=["first", "second"]) as address:
        for path in ("/v1/models", "/metrics", "/version", "/nothing"):
            assert http.get(address + path).status_code == 401
        for path in ("/tokenize", "/v1/chat/completions", "/v1/load_lora_adapter"):
            assert http.post(address + path, json=BODY).status_code == 401
        assert [http.get(address + path).status_code for path in ("/health", "/")] == [200, 200]
        for header in ("Bearer", "Bearer firs", "Bearer firstx", "first", "Basic first"):
            refused = http.get(f"{address}/v1/models", headers={"authorization": header})
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key"), header
        for key in ("first", "second"):
            given = {"authorization": f"Bearer {key}"}
            assert http.post(f"{address}/v1/chat/completions", json=BODY, headers=given).status_code == 200
        other = {"authorization": "Bearer first", "host": "models.example"}
        assert http.get(f"{address}/v1/models", headers=other).status_code == 200  # the key protects, not the name


def test_a_web_page_cannot_use_a_server_without_a_key(address: str) -> None:
    rebound = http.get(f"{address}/v1/models", headers={"host": "evil.example:8000"})
    assert (rebound.status_code, rebound.json()["error"]["code"]) == (403, "host")
    simple = http.post(f"{address}/v1/chat/completions", content="{}", headers={"content-type": "text/plain"})
    assert simple.status_code == 415  # JSON makes a browser ask first, and nobody agrees
    asked = http.options(f"{address}/v1/chat/completions", headers={"origin": "https://evil.example"})
    assert asked.status_code == 405
    assert "access-control-allow-origin" not in asked.headers


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:8000", "localhost"), ("127.0.0.1", "127.0.0.1"), ("[::1]:80", "::1"), ("a:b:c", "a:b:c"), ("", "")],
)
def test_the_name_of_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name
