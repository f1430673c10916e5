"""Sequences: what the engine computes for one request. A text token by token, or the score of a given text.

A sequence says which tokens the model reads next (`next_chunk`), and takes their logits (`take`) until it is `done`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

import torch

from domainkit.errors import RequestError
from domainkit.inference.adapters.pool import NO_ADAPTER, LoadedAdapter
from domainkit.inference.backend import Completion, FinishReason, Request, TokenLogprob
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.detokenizer import Detokenizer, decoder
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sampling import Sample, gumbel_noise, near_tie_margin, random_generator, sample
from domainkit.messages import InvalidToolCall, ToolCall, parse_calls, shown_length

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPLETION_RESERVE = 32
"""With fewer tokens left beyond the shortest completion of a constrained answer, it is computed at each step."""


class RecomputeAlone(Protocol):
    """Computes logits that do not depend on the batch."""

    def __call__(self, tokens: list[int], logits_wanted: int) -> torch.Tensor | None:
        """float [logits wanted, vocabulary]: those of the last tokens. None without the memory for that."""
        ...


class Sequence(ABC):
    """One piece of work. Sequences know nothing of one another."""

    def __init__(
        self,
        prompt: list[int],
        adapter_folder: str | None,
        result: ResultStream[Completion] | ResultStream[float],
        timeout: float | None = None,
    ) -> None:
        self.prompt = list(prompt)
        self.tokens = list(prompt)
        """All tokens that the model has to read: the prompt, and what follows it so far."""
        self.adapter_folder = adapter_folder
        self.adapter = NO_ADAPTER
        self.n_unshareable = 0
        """Last prompt tokens whose state depends on where the prompt ends, so that no other prompt has the same."""
        self.slot: CacheSlot | None = None
        """None while the sequence waits."""
        self.result = result
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.logits_wanted = 1
        """Last tokens whose logits `take` needs."""
        self.done = False
        self.prefill_seconds = 0.0
        self.decode_seconds = 0.0
        self._prefilled = False

    # ---- what the model reads ----

    @property
    def allocated_slot(self) -> CacheSlot:
        assert self.slot is not None, "the sequence has not joined the batch"
        return self.slot

    def next_chunk(self) -> Chunk:
        """The tokens that the slot does not hold yet."""
        return self._chunk_from(self.allocated_slot.length)

    def _chunk_from(self, start: int) -> Chunk:
        start = min(start, len(self.tokens) - self.logits_wanted)
        return Chunk(self.allocated_slot, self.tokens[start:], start, self.logits_wanted, self.adapter)

    @property
    def n_shareable(self) -> int:
        """Prompt tokens that may come from another sequence's computation."""
        # The sequence reads the last prompt token itself, for its logits.
        return len(self.prompt) - max(1, self.n_unshareable)

    @property
    def n_cacheable(self) -> int:
        """Tokens in the slot that may be kept for later prompts."""
        length = self.allocated_slot.length
        return min(length, self.n_shareable) if self.n_unshareable else length

    @property
    def most_tokens(self) -> int:
        """Most tokens that the slot may come to hold, without virtual tokens."""
        return len(self.tokens)

    def use_adapter(self, adapter: LoadedAdapter, context_length: int) -> None:
        """Raises RequestError if the adapter's virtual tokens leave no room for an answer."""
        self.adapter = adapter
        self.n_unshareable = adapter.n_unshareable(len(self.prompt))
        excess = self.most_tokens + adapter.n_virtual - context_length
        if adapter.n_virtual and excess > 0:
            self.shorten(excess)

    def shorten(self, n_tokens: int) -> None:
        """Use this many positions less. Raises RequestError if that leaves no room for an answer."""
        raise RequestError(
            f"it needs {n_tokens} positions more than the base reads, with the adapter's virtual tokens before it",
            next_step="shorten the prompt, or use an adapter without virtual tokens",
        )

    # ---- what the sequence does with the logits ----

    @property
    def greedy(self) -> bool:
        """Needs no more than the index of the largest logit, unless there is a near tie."""
        return False

    @abstractmethod
    def take(self, logits: torch.Tensor | None, best: int, recompute: RecomputeAlone | None) -> None:
        """Go on with the logits of the last chunk, float [at least logits_wanted, vocabulary].

        For a `greedy` sequence without a near tie, `logits` is None and `best` the index of the largest. Near ties are
        decided by `recompute`, if given.
        """

    def charge(self, seconds: float) -> None:
        """Count the sequence's share of a pass's time."""
        # The first logits end the prefill.
        if self._prefilled:
            self.decode_seconds += seconds
        else:
            self.prefill_seconds += seconds

    def mark_prefilled(self) -> None:
        self._prefilled = True


class TextSequence(Sequence):
    """Text, token by token."""

    def __init__(
        self,
        request: Request,
        prompt: list[int],
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: Collection[int],
        constraint: Constraint | None,
        context_length: int,
        result: ResultStream[Completion],
    ) -> None:
        super().__init__(prompt, request.adapter, result, request.timeout)
        self._request = request
        self._result = result
        self._stop_ids = frozenset(stop_ids)
        self._constraint = constraint
        self._decode = decoder(tokenizer)
        self._detokenizer = Detokenizer(tokenizer, request.stop)
        self._random = random_generator(request.seed) if request.temperature > 0 else None
        self._max_new_tokens = min(request.max_tokens, context_length - len(prompt))
        self._logprobs: list[TokenLogprob] = []
        self._n_streamed = 0  # characters
        # Of a constrained answer, how to end it in as few tokens as possible:
        self._completion: list[int] | None = None
        self._completion_from = 0  # new tokens before the completion
        self._check_completion_at = 0  # new tokens after which to compute the completion again
        self._completing = False
        self._append_forced()

    @property
    def greedy(self) -> bool:
        return self._constraint is None and self._random is None and not self._request.logprobs

    @property
    def most_tokens(self) -> int:
        return len(self.prompt) + self._max_new_tokens

    @property
    def _n_new(self) -> int:
        return len(self.tokens) - len(self.prompt)

    def shorten(self, n_tokens: int) -> None:
        if self._max_new_tokens - n_tokens < 1 + self._n_new:
            super().shorten(n_tokens)
        self._max_new_tokens -= n_tokens

    def take(self, logits: torch.Tensor | None, best: int, recompute: RecomputeAlone | None) -> None:
        # The constraint forbids stop tokens until the answer is complete.
        token = best if logits is None else self._next_token(logits[-1], recompute)
        if token in self._stop_ids:
            self._finish("stop")
        elif self._must_complete(token):
            self._complete()
        else:
            self._append(token)
            self._append_forced()

    # ---- sampling ----

    def _next_token(self, logits: torch.Tensor, recompute: RecomputeAlone | None) -> int:
        # The same noise for both: near ties depend on it.
        noise = None if self._random is None else gumbel_noise(logits.numel(), self._random)
        drawn = self._sample(logits, noise, near_tie_margin(logits) if recompute else 0.0)
        alone = recompute(self.tokens, 1) if recompute and drawn.near_tie else None
        if alone is not None:
            logits = alone[-1]
            drawn = self._sample(logits, noise, 0.0)
        if self._request.logprobs and drawn.index not in self._stop_ids:
            self._logprobs.append(token_logprob(logits, drawn.index, self._decode))
        return drawn.index

    def _sample(self, logits: torch.Tensor, noise: torch.Tensor | None, margin: float) -> Sample:
        if self._constraint is not None:
            logits = logits.clone()
            self._constraint.apply(logits)
        return sample(logits, self._request.temperature, self._request.top_p, noise, margin)

    # ---- constraints ----

    def _must_complete(self, token: int) -> bool:
        """Whether `token` would leave too few tokens to complete what the request demands."""
        bounded = self._request.json_schema is not None or self._request.tool_choice != "auto"
        if self._constraint is None or not bounded or self._n_new < self._check_completion_at:
            return False
        left = self._max_new_tokens - self._n_new
        completion = self._constraint.closing_suffix(left, after=token)
        if completion is None:
            return self._completion is not None
        spare = left - len(completion) - COMPLETION_RESERVE
        if spare > 0:
            # A token may lengthen the completion, by an item's required properties. So check again half-way.
            self._check_completion_at = self._n_new + (spare + 1) // 2
        else:
            self._completion, self._completion_from = completion, self._n_new
        return False

    def _complete(self) -> None:
        """End the answer by the last completion that fitted. No model is needed for that."""
        assert self._completion is not None
        self._completing = True
        for token in self._completion[self._n_new - self._completion_from :]:
            if not self.done:
                self._append(token)
        if not self.done:
            self._finish("length")

    def _append_forced(self) -> None:
        """Append the tokens that have no alternative."""
        # They need no model, unless their log-probabilities are wanted.
        while self._constraint is not None and not self.done and not self._request.logprobs:
            forced = self._constraint.forced()
            if not forced:
                return
            for token in forced:
                if not self.done:
                    self._append(token)

    # ---- text ----

    def _append(self, token: int) -> None:
        if self._constraint is not None:
            self._constraint.advance(token)
        self.tokens.append(token)
        self._detokenizer.push(token)
        if self._detokenizer.stopped or (self._constraint is not None and self._constraint.finished):
            self._finish("length" if self._completing else "stop")
        elif self._n_new >= self._max_new_tokens:
            self._finish("length")
        else:
            self._stream()

    def _stream(self) -> None:
        text = self._detokenizer.text
        # What may become a tool call is not text, so it waits.
        end = shown_length(text) if self._request.tools else len(text)
        if self._result.streams and end > self._n_streamed:
            self._result.send(text[self._n_streamed : end])
            self._n_streamed = end

    def _finish(self, reason: FinishReason) -> None:
        self.done = True
        self._detokenizer.finish()
        text = self._detokenizer.text
        calls: tuple[ToolCall, ...] = ()
        invalid: tuple[InvalidToolCall, ...] = ()
        if self._request.tools:
            text, calls, invalid = parse_calls(text, self._request.tools)
        completion = Completion(
            text=text,
            finish_reason="tool_calls" if calls and not self._completing else reason,
            prompt_tokens=len(self.prompt),
            completion_tokens=self._n_new,
            prefill_seconds=self.prefill_seconds,
            decode_seconds=self.decode_seconds,
            tool_calls=calls,
            invalid_tool_calls=invalid,
            logprobs=tuple(self._logprobs),
        )
        self._result.finish(completion, text[self._n_streamed :])


class ScoreSequence(Sequence):
    """The natural-log likelihood of `continuation` after `prompt`."""

    def __init__(
        self, prompt: list[int], continuation: list[int], adapter_folder: str | None, result: ResultStream[float]
    ) -> None:
        super().__init__(prompt, adapter_folder, result)
        self._result = result
        self._continuation = continuation
        self.tokens = [*prompt, *continuation[:-1]]  # the logits of a token are computed from those before it
        self.logits_wanted = len(continuation)
        if not continuation:
            self.done = True
            result.finish(0.0)

    def take(self, logits: torch.Tensor | None, best: int, recompute: RecomputeAlone | None) -> None:
        assert logits is not None
        tokens = torch.tensor(self._continuation, device=logits.device)
        logprobs = torch.log_softmax(logits[-self.logits_wanted :].float(), -1).gather(1, tokens[:, None])
        self.done = True
        self._result.finish(float(logprobs.sum()))


def token_logprob(logits: torch.Tensor, token: int, decode: Callable[[list[int]], str]) -> TokenLogprob:
    row = logits.float()
    return TokenLogprob(decode([token]), float(row[token] - row.logsumexp(0)))


def timeout_error(sequence: Sequence) -> RequestError:
    return RequestError(
        f"no answer within the timeout of {sequence.timeout:g} s",
        next_step="raise timeout, lower max_tokens, or send fewer at once",
    )


__all__ = ["RecomputeAlone", "ScoreSequence", "Sequence", "TextSequence", "timeout_error", "token_logprob"]
