"""A small OpenAI-compatible server with vLLM's conventions, in a thread of its own, with a real, tiny model.

`serve(base, {name: adapter})` gives its address. Adapters are PEFT's. Constraints, tools, logprobs,
streaming, /tokenize, prompt_logprobs and /v1/load_lora_adapter behave as vLLM 0.12 documents them. POST /_faults queues
failures.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from domainkit.adapters.methods import peft_warnings_muted
from domainkit.inference.backend import Request
from domainkit.inference.constrained.constraint import compile_constraint, is_constrained
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.messages import parse_calls
from domainkit.models.templates.chat_template import ChatTemplate

KEY = "s3cret-key"
KNOWN = {
    *(
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "seed",
        "logprobs",
        "stream",
        "stream_options",
    ),
    *("tools", "tool_choice", "response_format", "structured_outputs"),
    *("repetition_penalty", "top_k", "min_p"),
}


class Model:
    def __init__(self, base: str, adapters: dict[str, str]) -> None:
        self.base = base
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.spelling = Spelling(self.tokenizer, ChatTemplate(self.tokenizer).traits.text_before_words)
        self.model: Any = AutoModelForCausalLM.from_pretrained(base).eval()
        self.lock = threading.Lock()
        self.closed = False
        self.adapters: list[str] = []
        for name, path in adapters.items():
            self.load(name, path)

    def load(self, name: str, path: str) -> None:
        from peft import PeftModel

        with peft_warnings_muted():
            if self.adapters:
                self.model.load_adapter(path, adapter_name=name)
            else:
                self.model = PeftModel.from_pretrained(self.model, path, adapter_name=name)
        self.adapters.append(name)

    @contextmanager
    def using(self, name: str) -> Any:
        if name in self.adapters:
            self.model.set_adapter(name)
            yield
        elif self.adapters:
            with self.model.disable_adapter():
                yield
        else:
            yield

    def logits(self, ids: list[int], name: str) -> torch.Tensor:
        with self.lock, torch.no_grad(), self.using(name):
            if self.closed:
                raise ConnectionAbortedError("the server has ended")
            return self.model(input_ids=torch.tensor([ids])).logits[0]

    def prompt_ids(self, messages: list[dict[str, Any]], tools: Any = None) -> list[int]:
        return self.tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=True)["input_ids"]

    def generate(self, body: dict[str, Any], request: Request, ids: list[int], seen: list[Any]) -> Any:
        """Yields (token, logprob) one by one; `seen` gets the finish reason."""
        constraint = compile_constraint(request, self.spelling) if is_constrained(request) else None
        generator = torch.Generator().manual_seed(body.get("seed") or 0)
        out: list[int] = []
        for _ in range(body.get("max_tokens", 16)):
            row = self.logits(ids + out, body["model"])[-1]
            logprobs = row.log_softmax(-1)
            if constraint is not None:
                constraint.apply(row)
            if body.get("temperature", 1) == 0:
                token = int(row.argmax())
            else:
                token = int(torch.multinomial((row / body["temperature"]).softmax(-1), 1, generator=generator))
            if constraint is not None:
                constraint.advance(token)
            if token == self.tokenizer.eos_token_id:
                seen.append("stop")
                return
            out.append(token)
            yield token, float(logprobs[token])
            if any(s in self.tokenizer.decode(out) for s in body.get("stop", ())):
                seen.append("stop")
                return
            if constraint is not None and constraint.finished:
                seen.append("stop")
                return
        seen.append("length")


def to_request(body: dict[str, Any]) -> Request:
    structure = dict(body.get("structured_outputs") or {})
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema")
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        choice = choice["function"]["name"]
    unknown = set(structure) - {"choice", "regex", "json"}
    if unknown:
        raise ValueError(f"unknown structured_outputs fields {unknown}")
    choices = "|".join(re.escape(c).replace("\\ ", " ") for c in structure.get("choice") or ())
    return Request(
        (),
        regex=structure.get("regex") or choices or None,
        json_schema=structure.get("json") or schema,
        tools=tuple(body.get("tools") or ()),
        tool_choice={"required": "any"}.get(choice, choice),
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Model
    faults: list[dict[str, Any]]
    asked: list[dict[str, Any]]

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, payload: Any, **headers: str) -> None:
        data = json.dumps(payload).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        self.reply(status, {"error": {"message": message, "type": "BadRequestError", "code": status}}, **headers)

    def allowed(self) -> bool:
        given = self.headers.get("authorization")
        if given != f"Bearer {KEY}":
            self.refuse(401, f"Unauthorized: {given}")
            return False
        return True

    def do_GET(self) -> None:
        if self.path == "/_asked":
            return self.reply(200, self.asked)
        if not self.allowed():
            return None
        if self.path == "/version":
            return self.reply(200, {"version": "0.33.0"})
        if self.path != "/v1/models":
            return self.refuse(404, "Not Found")
        names = [self.model.base, *self.model.adapters]
        return self.reply(200, {"object": "list", "data": [{"id": n, "object": "model"} for n in names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/_faults":
            self.faults[:] = body
            return self.reply(200, {})
        if not self.allowed():
            return None
        self.asked.append({"path": self.path, **body})
        routes = {
            "/v1/chat/completions": self.chat,
            "/v1/completions": self.score,
            "/tokenize": self.tokenize,
            "/v1/load_lora_adapter": self.load,
        }
        if self.faults and self.path == "/v1/chat/completions":
            fault = self.faults.pop(0)
            if "sleep" in fault:
                time.sleep(fault["sleep"])
            if "status" in fault:
                headers = {"retry_after": str(fault["after"])} if "after" in fault else {}
                return self.refuse(fault["status"], f"fault for {self.headers.get('authorization')}", **headers)
            if "cut" in fault:
                body["cut"] = fault["cut"]
            if "reply" in fault:
                return self.reply(200, fault["reply"])
        return routes.get(self.path, lambda _: self.refuse(404, "Not Found"))(body)

    def chat(self, body: dict[str, Any]) -> None:
        cut = body.pop("cut", None)
        unknown = set(body) - KNOWN
        if unknown:
            return self.refuse(400, f"unknown fields {sorted(unknown)}")
        if body["model"] not in (self.model.base, *self.model.adapters):
            return self.refuse(404, f"The model `{body['model']}` does not exist.")
        tokenizer, request = self.model.tokenizer, to_request(body)
        if request.tools:
            from domainkit.messages import Message

            plain = [Message(m["role"], m["content"]) for m in body["messages"]]
            turns, tools = ChatTemplate(tokenizer).with_tools(plain, request.tools, request.tool_choice)
        else:
            turns, tools = body["messages"], None
        ids, finish = self.model.prompt_ids(turns, tools), []
        steps = self.model.generate(body, request, ids, finish)
        if body.get("stream"):
            return self.stream(body, steps, finish, len(ids), cut)
        done = list(steps)
        text = self.until_stop(tokenizer.decode([t for t, _ in done]), body)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if request.tools:
            content, calls, _ = parse_calls(text, request.tools)
            message = {
                "role": "assistant",
                "content": content or None,
                "tool_calls": [
                    {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.dumps(c.arguments)}}
                    for c in calls
                ],
            }
        choice = {"index": 0, "message": message, "finish_reason": finish[0]}
        if body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": tokenizer.decode([t]), "logprob": p} for t, p in done]}
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(done)}
        return self.reply(200, {"object": "chat.completion", "choices": [choice], "usage": usage})

    def stream(self, body: dict[str, Any], steps: Any, finish: list[str], prompt: int, cut: int | None) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        tokenizer, out, sent = self.model.tokenizer, [], 0
        for token, logprob in steps:
            out.append(token)
            text = self.until_stop(tokenizer.decode(out), body)
            held = 0 if not body.get("stop") else max(map(len, body["stop"]))
            ready = text[sent : max(sent, len(text) - held)] if not text.endswith("�") else ""
            sent += len(ready)
            chunk: dict[str, Any] = {"delta": {"content": ready}, "finish_reason": None}
            if body.get("logprobs"):
                chunk["logprobs"] = {"content": [{"token": tokenizer.decode([token]), "logprob": logprob}]}
            self.event({"choices": [chunk]})
            if cut is not None and len(out) >= cut:
                self.close_connection = True
                return
        rest = self.until_stop(tokenizer.decode(out), body)[sent:]
        self.event({"choices": [{"delta": {"content": rest}, "finish_reason": finish[0]}]})
        self.event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": len(out)}})
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, payload: Any) -> None:
        data = f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    @staticmethod
    def until_stop(text: str, body: dict[str, Any]) -> str:
        ends = [text.find(s) for s in body.get("stop", ()) if s in text]
        return text[: min(ends)] if ends else text

    def tokenize(self, body: dict[str, Any]) -> None:
        if "messages" in body:
            ids = self.model.prompt_ids(body["messages"])
        else:
            ids = self.model.tokenizer.encode(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))
        self.reply(200, {"tokens": ids, "count": len(ids), "max_model_len": 2048})

    def score(self, body: dict[str, Any]) -> None:
        ids = body["prompt"]
        rows = self.model.logits(ids, body["model"]).log_softmax(-1)
        steps = [None, *({str(t): {"logprob": float(rows[i][t])}} for i, t in enumerate(ids[1:]))]
        self.reply(200, {"choices": [{"text": "x", "prompt_logprobs": steps, "finish_reason": "length"}]})

    def load(self, body: dict[str, Any]) -> None:
        if body["lora_name"] in self.model.adapters:
            return self.refuse(400, f"The lora adapter '{body['lora_name']}' has already been loaded.")
        self.model.load(body["lora_name"], body["lora_path"])
        self.send_response(200)
        text = f"Success: LoRA adapter '{body['lora_name']}' added successfully.".encode()
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        return None


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Clients of the tests break off on purpose."""


@contextmanager
def serve(base: str, adapters: dict[str, str]) -> Iterator[str]:
    """The server's address. A process of its own would import torch once more."""
    model = Model(base, adapters)
    own = type("OwnHandler", (Handler,), {"model": model, "faults": [], "asked": []})
    with Server(("127.0.0.1", 0), own) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
    # A client may have left in the middle of an answer: a daemon thread inside of torch would crash the end of Python.
    with model.lock:
        model.closed = True
