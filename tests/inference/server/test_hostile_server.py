"""A server that answers slowly, oddly or with what it should not: an error of that answer in words, in time."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domainkit.errors import DomainkitError, RequestError
from domainkit.inference.backend import Request
from domainkit.inference.server import transport
from domainkit.inference.server.backend import ServerBackend
from domainkit.messages import Message

KEY = "sk-secret-0123456789"
ASK = (Message("user", "Hello?"),)
OWN_PATHS = (b"GET /lora-adapters", b"GET /version", b"GET /server_info", b"GET /api/version")
Send = Callable[[socket.socket], None]


@contextmanager
def server(*replies: Send) -> Iterator[str]:
    """A socket that knows no server's own paths, and gives its connections the replies in order, the last one again and
    again."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        number = 0
        while number < 99:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    if read_request(connection).startswith(OWN_PATHS):
                        connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                        continue
                    number += 1
                    replies[min(number, len(replies)) - 1](connection)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def read_request(connection: socket.socket) -> bytes:
    """Its head, read with all of it: a socket that is closed with unread data resets its connection, and the reply is
    lost."""
    head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += connection.recv(65536)
    return head


def whole(body: bytes, *headers: str) -> Send:
    lines = "\r\n".join(["HTTP/1.1 200 OK", f"content-length: {len(body)}", "connection: close", *headers])
    return lambda connection: connection.sendall(lines.encode() + b"\r\n\r\n" + body)


def answer(**parts: Any) -> Send:
    choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
    return whole(json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1}, **parts}).encode())


def complete(url: str, **fields: Any) -> Any:
    backend = ServerBackend("m", url=url, api_key=KEY, max_retries=0, timeout=5)
    return backend.complete([Request(ASK, **fields)], return_errors=True)[0]


def test_the_timeout_bounds_headers_that_drip() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(1200):
            connection.sendall(b"a")
            time.sleep(0.05)

    with server(drip) as url:
        begin = time.monotonic()
        assert "no whole answer within 0.4 s" in str(complete(url, timeout=0.4))
        with pytest.raises(RequestError, match=r"no whole answer within 0\.4 s"):
            list(ServerBackend("m", url=url, max_retries=0).stream(Request(ASK, timeout=0.4)))
        assert time.monotonic() - begin < 30


@pytest.mark.parametrize("pause", [0.05, 30])
def test_the_timeout_bounds_the_whole_answer_however_it_drips(pause: float) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")
        for _ in range(1200):
            connection.sendall(b" ")
            time.sleep(min(pause, 3))

    with server(drip) as url:
        begin = time.monotonic()
        assert "no whole answer within 0.4 s" in str(complete(url, timeout=0.4))
        with pytest.raises(RequestError, match=r"no whole answer within 0\.4 s"):
            list(ServerBackend("m", url=url, max_retries=0).stream(Request(ASK, timeout=0.4)))
        assert time.monotonic() - begin < 30


def test_only_cr_and_lf_end_a_line_of_a_stream() -> None:
    text = "a\u2028b\u2029c\x85d\x0be"
    events = [{"choices": [{"delta": {"content": text}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}]
    lines = [json.dumps(e, ensure_ascii=False) for e in events]
    for end in ("\n\n", "\r\n\r\n", "\r\r"):
        body = "".join(f": note{end}data: {line}{end}" for line in lines) + "data: [DONE]"

        def send(connection: socket.socket, body: bytes = body.encode()) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            for at in range(0, len(body), 7):
                connection.sendall(body[at : at + 7])

        with server(send) as url:
            pieces = list(ServerBackend("m", url=url, max_retries=0).stream(Request(ASK)))
        assert "".join(p.text for p in pieces) == text
        assert pieces[-1].completion is not None


def test_a_key_that_the_server_repeats_is_shown_nowhere() -> None:
    for reply in (
        {"error": {"message": f"bad key {KEY}"}},
        {"detail": [KEY]},
        {"choices": [{"message": {"content": KEY}, "finish_reason": KEY}]},
        {"choices": KEY},
    ):
        with server(whole(json.dumps(reply).encode())) as url:
            found = complete(url)
        assert isinstance(found, DomainkitError)
        assert KEY not in str(found)
    with server(answer(choices=[{"message": {"content": f"it is {KEY}"}, "finish_reason": "stop"}])) as url:
        assert complete(url).text == "it is ***"
        assert ServerBackend("m", url=url, api_key="hi").complete([Request(ASK)])[0].text == f"it is {KEY}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [], "usage": "many"}',
        b'{"choices": [], "usage": [1]}',
        b'{"choices": [{"message": {"content": ["hi"]}, "finish_reason": "stop"}]}',
        b'{"choices": [{"message": {"content": "hi"}, "finish_reason": ["stop"]}]}',
        b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"<html>Welcome</html>",
        b"[]",
        b"",
    ],
)
def test_an_odd_answer_is_its_own_error_and_the_others_are_answered(body: bytes) -> None:
    with server(whole(body), answer()) as url:
        backend = ServerBackend("m", url=url, max_retries=0, connections=1)
        odd, good = backend.complete([Request(ASK), Request(ASK)], return_errors=True)
    assert isinstance(odd, RequestError)
    assert good.text == "hi"


def test_html_is_reported_as_such_and_not_as_an_unfinished_answer() -> None:
    with server(whole(b"<html>Welcome</html>")) as url:
        assert "is not in OpenAI's chat format" in str(complete(url))
        assert "<html>Welcome" in str(complete(url))


def test_several_answers_are_refused_and_never_joined() -> None:
    choices = [{"index": i, "message": {"content": "hi"}, "finish_reason": "stop"} for i in range(2)]
    with server(answer(choices=choices)) as url:
        assert "gave several answers where one was asked for" in str(complete(url))


def test_a_list_of_models_without_ids_is_an_error_in_words() -> None:
    for body in (b'{"data": [{"name": "m"}]}', b'{"data": [1]}', b'{"data": 5}'):
        with server(whole(body)) as url:
            found = ServerBackend(url=url, max_retries=0).complete([Request(ASK)], return_errors=True)[0]
        assert "list of models is not in OpenAI's format" in str(found)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BODY", 1 << 20)
    with server(whole(gzip.compress(b" " * (2 << 20)), "content-encoding: gzip")) as url:
        assert "it is larger than 1 MiB" in str(complete(url))


def test_secrets_of_the_address_are_sent_and_never_shown() -> None:
    seen: list[bytes] = []

    def echo(connection: socket.socket) -> None:
        answer()(connection)

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        for _what in (*OWN_PATHS, "the answer", "the list of models"):
            connection, _ = listener.accept()
            with connection:
                seen.append(read_request(connection))
                echo(connection)

    threading.Thread(target=serve, daemon=True).start()
    backend = ServerBackend("m", url=f"http://127.0.0.1:{port}/v1?code=query-secret", max_retries=0)
    assert backend.complete([Request(ASK)])[0].text == "hi"
    assert all(b"code=query-secret" in head.split(b"\r\n")[0] for head in seen)
    assert "query-secret" not in repr(backend) + str(backend.identity())
    listener.close()
