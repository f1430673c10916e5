"""Backend: the protocol between a chat model and whatever computes its text. No torch, no LangChain.

Law: for temperature 0, the joined pieces of `stream(request)` are the text of `complete([request])[0]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from domainkit.messages import Message, ToolCall

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, complete in itself.

    At most one of `choices`, `json_schema`, `regex` is set; each makes output outside it impossible. `tools` are JSON-schema
    function descriptions (OpenAI form); `tool_choice` is "auto", "any", or a tool's name.
    """

    messages: tuple[Message, ...]
    adapter: str | None = None
    """Folder of the adapter, or None for the base alone."""
    max_tokens: int = 256
    """Most new tokens to generate."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end the text; they are cut from it."""
    seed: int | None = None
    """Seeds this request's own sampling, alone or in company; None draws a fresh seed."""
    choices: tuple[str, ...] = ()
    """The text is exactly one of these."""
    json_schema: dict[str, Any] | None = None
    regex: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str = "auto"
    logprobs: bool = False
    timeout: float | None = None
    """Seconds from submission until a RequestError."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token's text and natural-log probability, under the model's own (unconstrained, temperature 1) distribution."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to a request. Seconds are this request's share: a step's time divided by the rows that shared it."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    tool_calls: tuple[ToolCall, ...] = ()
    invalid_tool_calls: tuple[str, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    choice_probabilities: dict[str, float] = field(default_factory=dict)
    """For `choices`: the probability of each choice, renormalised over the choices."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed answer; only the last has `completion` set, and its `text` may be empty."""

    text: str
    completion: Completion | None = None


@runtime_checkable
class Backend(Protocol):
    """Answers requests. Safe to call from many threads at once; batches what arrives together."""

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        """All answers in order. The first failure is raised after the others are done; with `return_errors` each
        failed request's exception stands in its place instead."""
        ...

    def stream(self, request: Request) -> Iterator[Piece]:
        """The answer as it grows. Closing the iterator frees its slot."""
        ...

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        """Natural-log likelihood of each continuation as the assistant's next words after `messages`."""
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Prompt length in tokens, template included."""
        ...

    def token_ids(self, text: str) -> list[int]:
        """The ids of plain text; a control token's spelling is encoded as characters."""
        ...

    def identity(self, adapter: str | None = None) -> dict[str, Any]:
        """What makes this model itself, for cache keys and records: base, revision, quantisation, template hash, and the
        adapter's weights hash. Must not load weights."""
        ...
