"""Backend: the protocol between a chat model and whatever computes its text. No torch, no LangChain.

Laws: at temperature 0, the joined pieces of `stream(request)` are the text of `complete([request])[0]`. Requests that
are computed together do not change each other's answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

from domainkit.messages import InvalidToolCall, JsonObject, Message, ToolCall

FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, complete in itself.

    At most one of `choices`, `json_schema`, `regex` is set; each makes output outside it impossible.
    """

    messages: tuple[Message, ...]
    adapter: str | None = None
    """Folder of the adapter, or None for the base alone."""
    max_tokens: int = 256
    """Most new tokens to generate."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Sample from the most probable tokens that together reach this."""
    stop: tuple[str, ...] = ()
    """Strings that end the text. They are not part of the answer."""
    seed: int | None = None
    """Seed of this request's own sampling, whatever is computed beside it. None draws a fresh seed."""
    choices: tuple[str, ...] = ()
    """The text is exactly one of these."""
    json_schema: JsonObject | None = None
    """The text is JSON of this schema."""
    regex: str | None = None
    """The whole text matches this."""
    tools: tuple[JsonObject, ...] = ()
    """JSON-schema function descriptions (OpenAI form)."""
    tool_choice: str = "auto"
    """"auto", "any", or a tool's name."""
    parallel_tool_calls: bool = True
    """False: at most one call."""
    strict: bool = False
    """Refuse a schema that cannot be enforced whole while generating. Else the rest of it is checked afterwards."""
    check_schema: bool = True
    """Whether that check is made; False where the caller makes it."""
    template_options: JsonObject = field(default_factory=dict)
    """Options of the base's chat template: enable_thinking, reasoning_effort, and what else it has."""
    thinking_budget: int | None = None
    """Most tokens of reasoning: then it is closed, and the answer follows. None: no limit but `max_tokens`."""
    logprobs: bool = False
    top_logprobs: int = 0
    """With `logprobs`, how many of the most probable tokens are named at each place."""
    timeout: float | None = None
    """Seconds from submission until a RequestError."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A generated token under the model's own distribution: without constraint, at temperature 1."""

    token: str
    logprob: float
    """Natural logarithm of its probability."""
    id: int | None = field(default=None, compare=False)
    """The token's id; None where a server did not say."""
    top: tuple[TokenLogprob, ...] = ()
    """The most probable tokens at its place, best first: as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to a request. Its seconds are its share: the time of a pass divided by the requests in the pass."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    reasoning: str = ""
    """What the model thought before its words."""
    tool_calls: tuple[ToolCall, ...] = ()
    invalid_tool_calls: tuple[InvalidToolCall, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    choice_probabilities: dict[str, float] = field(default_factory=dict)
    """For `choices`: the probability of each choice, renormalised over the choices."""

    def after(self, reasoning: Completion) -> Completion:
        """This answer with the reasoning that came before it."""
        return replace(
            self,
            reasoning=reasoning.reasoning,
            prompt_tokens=reasoning.prompt_tokens,
            completion_tokens=reasoning.completion_tokens + self.completion_tokens,
            prefill_seconds=reasoning.prefill_seconds,
            decode_seconds=reasoning.decode_seconds + self.prefill_seconds + self.decode_seconds,
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a streamed answer. Only the last has `completion` set, and its `text` may be empty."""

    text: str
    completion: Completion | None = None
    reasoning: str = ""
    """It comes before the text."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the tokens since the piece before, where they were asked for."""


@runtime_checkable
class Backend(Protocol):
    """Answers requests. Safe to call from many threads at once; requests that arrive together share batches."""

    def complete(self, requests: Sequence[Request], *, return_errors: bool = False) -> list[Completion]:
        """All answers in order. The first error is raised after the others are done. With `return_errors`, the
        exception of each failed request is returned in its place."""
        ...

    def stream(self, request: Request) -> Iterator[Piece]:
        """The answer as it grows. Closing the iterator frees its slot."""
        ...

    def score(
        self, messages: Sequence[Message], continuations: Sequence[str], *, adapter: str | None = None
    ) -> list[float]:
        """Natural-log likelihood of each continuation as the assistant's next words after `messages`."""
        ...

    def count_tokens(self, messages: Sequence[Message], *, adapter: str | None = None) -> int:
        """Prompt length in tokens, template included: the adapter's own if it brings one."""
        ...

    def token_ids(self, text: str) -> list[int]:
        """The ids of plain text. A control token's spelling is encoded as characters."""
        ...

    def identity(self, adapter: str | None = None) -> JsonObject:
        """What determines this model's answers, for cache keys and records: base, revision, quantisation, template
        hash, and the hash of the adapter's weights. Must not load weights."""
        ...
