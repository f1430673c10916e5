"""A server whose replies are a script: what to answer at each path, and a list of what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, Any]
Route = Callable[[dict[str, Any]], Reply]


class Scripted:
    """A running one."""

    def __init__(self, routes: Mapping[str, Route | Any]) -> None:
        """`routes` are replies by path: a function of the body that gives status and payload, or the payload."""
        self.routes = dict(routes)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for asked, body in self.asked if asked == path]

    def reply(self, path: str, body: dict[str, Any]) -> Reply:
        self.asked.append((path, body))
        if path not in self.routes:
            return 404, {"error": {"message": "Not Found"}}
        route = self.routes[path]
        return route(body) if callable(route) else (200, route)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Scripted

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        status, payload = self.script.reply(self.path, body)
        if status == 0:  # a connection that breaks off
            self.close_connection = True
            return
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def scripted(routes: Mapping[str, Route | Any]) -> Iterator[Scripted]:
    script = Scripted(routes)
    own = type("OwnHandler", (Handler,), {"script": script})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def answer(text: str | None = "hi", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}


def models(*names: str, **facts: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", **facts} for name in names]}
