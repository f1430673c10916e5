"""Echo: answers without weights, for tests and demos. It says back the last user turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Piece, Request
from domainkit.messages import JsonObject, Message, ToolCall, new_call_id, tool_name


class EchoBackend:
    """A Backend that repeats the last user turn, word by word. A token is a word with the blank before it.

    Deterministic: `stop` and `max_tokens` cut, `choices` gives the choice the words mention (else the first), a forced tool call
    has empty arguments. What needs a real model (a JSON schema, a regular expression) is a RequestError.
    """

    def __init__(self, base: str = "echo", **ignored: Any) -> None:
        self.base = base

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        results: list[Any] = []
        for request in requests:
            try:
                results.append(self._answer(request))
            except RequestError as e:
                if not return_errors:
                    raise
                results.append(e)
        return results

    def stream(self, request: Request) -> Iterator[Piece]:
        completion = self._answer(request)
        for word in _words(completion.text):
            yield Piece(word)
        yield Piece("", completion)

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        said = set(_last_user(messages).lower().split())
        return [-float(len(set(c.lower().split()) - said)) for c in continuations]

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(_words(m.content)) + 1 for m in messages)

    def token_ids(self, text: str) -> list[int]:
        return [int.from_bytes(word.encode()[:4], "big") for word in _words(text)]

    def identity(self, adapter: str | None = None) -> JsonObject:
        return {"base": self.base, "backend": "echo", "adapter": adapter}

    def _answer(self, request: Request) -> Completion:
        if request.json_schema is not None or request.regex is not None:
            raise RequestError("the echo backend cannot follow a schema", next_step="use backend='local'")
        said = _last_user(request.messages)
        if request.choices:
            chosen = next((c for c in request.choices if c.lower() in said.lower()), request.choices[0])
            return self._completion(
                request, chosen, "stop", choice_probabilities={c: float(c == chosen) for c in request.choices}
            )
        if request.tools and request.tool_choice != "auto":
            names = [tool_name(t) for t in request.tools]
            name = names[0] if request.tool_choice == "any" else request.tool_choice
            call = ToolCall(new_call_id(), name, {})
            return self._completion(request, "", "tool_calls", tool_calls=(call,))
        cut = min((i for s in request.stop if s and (i := said.find(s)) >= 0), default=len(said))
        words = _words(said[:cut])
        reason: FinishReason = "length" if len(words) > request.max_tokens else "stop"
        return self._completion(request, "".join(words[: request.max_tokens]), reason)

    def _completion(self, request: Request, text: str, reason: FinishReason, **more: Any) -> Completion:
        calls = json.dumps([c.name for c in more.get("tool_calls", ())]) if more.get("tool_calls") else ""
        return Completion(text, reason, self.count_tokens(request.messages), len(_words(text + calls)), **more)


def _last_user(messages: Sequence[Message]) -> str:
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


def _words(text: str) -> list[str]:
    """Words, each with the blanks before it; joined they are the text."""
    words: list[str] = []
    for part in text.split(" "):
        words.append(f" {part}" if words else part)
    return [w for w in words if w]
