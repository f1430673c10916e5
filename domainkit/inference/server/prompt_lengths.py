"""A backend that answers nothing: it says how long each prompt would be, and whether a server could answer it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from domainkit.errors import DomainkitError
from domainkit.inference.backend import Completion, Piece, Request
from domainkit.inference.server.served_base import ServedBase


class PromptLengths(ServedBase):
    """In place of a ServedBase, to send the real prompts of chains through it. An empty answer has its prompt's
    length."""

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        found: list[Completion | DomainkitError] = []
        for request in requests:
            try:
                length = self.prompt_tokens(request)
                self._body(request)  # raises for what the server cannot do
                found.append(Completion("", "stop", length, 0))
            except DomainkitError as e:
                if not return_errors:
                    raise
                found.append(e)
        return cast(list[Completion], found)  # with return_errors, exceptions are among them

    def stream(self, request: Request) -> Iterator[Piece]:
        [completion] = self.complete([request])
        yield Piece("", completion)
