"""A scripted provider on loopback, in OpenAI's form, that counts what it is asked and fails as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_openai import ChatOpenAI

Reply = Callable[[dict[str, Any]], str]
"""From a request's body to the text of the answer."""
Fault = Callable[[dict[str, Any]], "tuple[int, dict[str, str]] | str | None"]
"""From a request's body to (status, headers), "cut", or None for an answer."""


class Hosted:
    """What the provider does, and what it has been asked."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.fault = reply, lambda body: None
        self.fault: Fault
        self.bodies: list[dict[str, Any]] = []
        """Of all requests."""
        self.answered: list[str] = []
        """Questions of the requests that got an answer."""
        self.usage: dict[str, Any] | None = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
        self.version = "scripted-2026-01-01"
        self.finish = "stop"
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    def model(self, **options: Any) -> ChatOpenAI:
        given: Any = {"model": "scripted", "base_url": f"{self.url}/v1", "api_key": "none", "max_retries": 0}
        return ChatOpenAI(**{**given, **options})

    def message(self, body: dict[str, Any]) -> dict[str, Any]:
        text = self.reply(body)
        if not body.get("tools"):
            return {"role": "assistant", "content": text}
        call = {"name": body["tools"][0]["function"]["name"], "arguments": text}
        return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": call}]}


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


@contextmanager
def hosted(reply: Reply) -> Iterator[Hosted]:
    provider = Hosted(reply)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with provider.lock:
                provider.bodies.append(body)
                provider.at_once += 1
                provider.most_at_once = max(provider.most_at_once, provider.at_once)
                fault = provider.fault(body)
            try:
                self.answer(body, fault)
            finally:
                with provider.lock:
                    provider.at_once -= 1

        def answer(self, body: dict[str, Any], fault: tuple[int, dict[str, str]] | str | None) -> None:
            if isinstance(fault, tuple):
                self.send(fault[0], {"error": {"message": f"fault {fault[0]}", "code": None}}, fault[1])
                return
            choice = {"index": 0, "message": provider.message(body), "finish_reason": provider.finish}
            usage = {} if provider.usage is None else {"usage": provider.usage}
            whole = {"id": "r", "object": "chat.completion", "created": 1, "model": provider.version, **usage}
            if fault != "cut":
                with provider.lock:
                    provider.answered.append(question(body))
            self.send(200, {**whole, "choices": [choice]}, {}, cut=fault == "cut")

        def send(self, status: int, value: object, headers: dict[str, str], *, cut: bool = False) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
