"""Temporary failures are repeated; every other failure is an error that names the server and never shows the key."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from domainkit.errors import MachineError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server.backend import ServerBackend
from domainkit.inference.server.transport import Transport
from domainkit.messages import Message
from tests.inference.server.openai_server import KEY

ASK = (Message("user", "Hello?"),)


def fault(address: str, *faults: dict[str, Any]) -> None:
    """The server's next replies are these faults."""
    httpx.post(f"{address}/_faults", json=list(faults))


def test_temporary_failures_are_repeated_after_the_server_s_delay(address: str, backend: ServerBackend) -> None:
    fault(address, {"status": 503}, {"status": 429, "after": 0.2})
    begin = time.monotonic()
    assert backend.complete([Request(ASK, max_tokens=2)])[0].completion_tokens == 2
    assert time.monotonic() - begin > 0.3
    fault(address, {"status": 500})
    assert list(backend.stream(Request(ASK, max_tokens=2)))[-1].completion is not None


def test_an_error_of_a_failing_server_names_it_and_hides_the_key(address: str, tiny_base: str) -> None:
    backend = ServerBackend(tiny_base, url=address, api_key=KEY, max_retries=1)
    fault(address, {"status": 503}, {"status": 503})
    with pytest.raises(MachineError) as e:
        backend.complete([Request(ASK)])
    assert "failed 2 times (HTTP 503): fault for Bearer ***" in str(e.value)
    assert address in str(e.value)
    assert KEY not in f"{e.value}{backend!r}{vars(backend)}"


def test_a_refused_request_is_not_repeated_and_others_are_answered(address: str, backend: ServerBackend) -> None:
    fault(address, {"status": 400})
    good, bad = Request(ASK, max_tokens=2), Request(ASK, adapter="nobody")
    answers = backend.complete([bad, good], return_errors=True)
    assert isinstance(answers[0], RequestError)
    with pytest.raises(RequestError, match="has no adapter 'nobody'"):
        backend.complete([good, bad])
    fault(address, {"status": 400})
    with pytest.raises(RequestError, match=r"refuses the request \(HTTP 400\)"):
        backend.complete([good])


def test_a_wrong_key_says_where_to_set_it(address: str, tiny_base: str) -> None:
    with pytest.raises(MachineError) as e:
        ServerBackend(tiny_base, url=address, api_key="wrong-key").complete([Request(ASK)])
    assert "refuses the key (HTTP 401)" in str(e.value)
    assert "DOMAINKIT_SERVER_KEY" in str(e.value)
    assert "wrong-key" not in str(e.value)


def test_no_server_says_how_to_start_one() -> None:
    backend = ServerBackend("base", url="http://user:pass@127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(MachineError) as e:
        backend.complete([Request(ASK)])
    assert "no answer from the server" in str(e.value)
    assert "serve_command() prints the command" in str(e.value)
    assert str(e.value).startswith("http://127.0.0.1:9: ")
    assert "pass@" not in str(e.value)


def test_a_server_that_redirects_is_not_followed_and_its_address_is_named() -> None:
    class Moved(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(307)
            self.send_header("location", "https://models.example/v1/models")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Moved) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        transport = Transport(url, None, timeout=5.0, max_retries=0, connections=1)
        with pytest.raises(RequestError) as e:
            transport.send("GET", "/v1/models")
        transport.close()
    assert "(HTTP 307): it sends its callers to https://models.example/v1/models\n" in str(e.value)
    assert e.value.next_step == "give that address"


def test_a_certificate_that_is_not_trusted_says_where_to_name_it() -> None:
    transport = Transport("https://127.0.0.1:9", None, timeout=1.0, max_retries=0, connections=1)
    error = transport._unreachable(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
    transport.close()
    assert "SSL_CERT_FILE" in str(error.next_step)


def test_a_late_answer_is_an_error_of_its_request_and_is_not_repeated(address: str, backend: ServerBackend) -> None:
    fault(address, {"sleep": 1.0})
    before = len(httpx.get(f"{address}/_asked").json())
    with pytest.raises(RequestError, match=r"no whole answer within 0\.3 s"):
        backend.complete([Request(ASK, timeout=0.3)])
    assert len(httpx.get(f"{address}/_asked").json()) <= before + 1, "and it is not asked again"


def test_a_stream_that_breaks_off_is_an_error_without_a_completion(address: str, backend: ServerBackend) -> None:
    fault(address, {"cut": 3})
    pieces = []
    with pytest.raises(RequestError, match="the answer ended too early"):
        for piece in backend.stream(Request(ASK, max_tokens=8)):
            pieces.append(piece)
    assert pieces
    assert all(p.completion is None for p in pieces)


def test_an_answer_in_another_format_is_an_error_that_says_so(address: str, backend: ServerBackend) -> None:
    fault(address, {"reply": {"choices": ["?"]}})
    with pytest.raises(RequestError, match="is not in OpenAI's chat format"):
        backend.complete([Request(ASK)])
