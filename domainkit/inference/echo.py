"""Echo backend: answers without weights, for tests and demos. It repeats the last user turn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Piece, Request
from domainkit.messages import JsonObject, Message, ToolCall, new_call_id, tool_name


class EchoBackend:
    """A Backend that repeats the last user turn, word by word. A token is a word with the blank before it.

    It is deterministic. `stop` and `max_tokens` end the answer. `choices` gives the choice that the turn mentions,
    else the first. A forced tool call has empty arguments. A JSON schema or a regular expression is a RequestError.
    """

    def __init__(self, base: str = "echo", **ignored: object) -> None:
        self.base = base

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        results: list[Completion | RequestError] = []
        for request in requests:
            try:
                results.append(self._answer(request))
            except RequestError as e:
                if not return_errors:
                    raise
                results.append(e)
        return cast(list[Completion], results)  # with return_errors, exceptions are among them

    def stream(self, request: Request) -> Iterator[Piece]:
        completion = self._answer(request)
        for word in _words(completion.text):
            yield Piece(word)
        yield Piece("", completion)

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        words = set(_last_user_text(messages).lower().split())
        return [-float(len(set(c.lower().split()) - words)) for c in continuations]

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        return sum(len(_words(m.content)) + 1 for m in messages)

    def token_ids(self, text: str) -> list[int]:
        return [int.from_bytes(word.encode()[:4], "big") for word in _words(text)]

    def identity(self, adapter: str | None = None) -> JsonObject:
        return {"base": self.base, "backend": "echo", "adapter": adapter}

    def _answer(self, request: Request) -> Completion:
        if request.json_schema is not None or request.regex is not None:
            raise RequestError("the echo backend cannot follow a schema", next_step="use backend='local'")
        text = _last_user_text(request.messages)
        if request.choices:
            choice = next((c for c in request.choices if c.lower() in text.lower()), request.choices[0])
            probabilities = {c: float(c == choice) for c in request.choices}
            return replace(self._completion(request, choice, "stop"), choice_probabilities=probabilities)
        if request.tools and request.tool_choice != "auto":
            names = [tool_name(t) for t in request.tools]
            name = names[0] if request.tool_choice == "any" else request.tool_choice
            call = ToolCall(name, {}, new_call_id())
            return self._completion(request, "", "tool_calls", (call,))
        end = min((i for s in request.stop if s and (i := text.find(s)) >= 0), default=len(text))
        words = _words(text[:end])
        reason: FinishReason = "length" if len(words) > request.max_tokens else "stop"
        return self._completion(request, "".join(words[: request.max_tokens]), reason)

    def _completion(
        self, request: Request, text: str, reason: FinishReason, calls: tuple[ToolCall, ...] = ()
    ) -> Completion:
        output = json.dumps([c.name for c in calls]) if calls else text
        prompt_tokens = self.count_tokens(request.messages)
        return Completion(text, reason, prompt_tokens, len(_words(output)), tool_calls=calls)


def _last_user_text(messages: Sequence[Message]) -> str:
    return next((m.content for m in reversed(messages) if m.role == "user"), "")


def _words(text: str) -> list[str]:
    """Words, each with the blanks before it; joined they are the text."""
    words: list[str] = []
    for part in text.split(" "):
        words.append(f" {part}" if words else part)
    return [w for w in words if w]
