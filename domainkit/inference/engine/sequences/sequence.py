"""Sequences: what the engine computes for one request.

A sequence says which tokens the model reads next (`next_chunk`), and takes their logits (`take`) until it is `done`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import torch

from domainkit.errors import RequestError
from domainkit.inference.adapters.pool import NO_ADAPTER, LoadedAdapter
from domainkit.inference.backend import Completion, TokenLogprob
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.next_tokens import Draw


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
        result: ResultStream[Completion] | ResultStream[float] | ResultStream[list[float]],
        timeout: float | None = None,
    ) -> None:
        self.prompt = list(prompt)
        self.tokens = list(prompt)
        """All tokens that the model has to read: the prompt, and what follows it so far."""
        self.adapter_folder = adapter_folder
        self.adapter = NO_ADAPTER
        self.n_unshareable = 0
        """Last prompt tokens whose state depends on where the prompt ends, so that no other prompt has the same."""
        self.boundary: int | None = None
        """Of the base's rotary frequencies."""
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

    def chunk_with_guesses(self) -> Chunk:
        """The next chunk, followed by guessed tokens where the sequence can guess: `take` then checks them."""
        return self.next_chunk()

    def _chunk_from(self, start: int) -> Chunk:
        start = min(start, len(self.tokens) - self.logits_wanted)
        return Chunk(self.allocated_slot, self.tokens[start:], start, self.logits_wanted, self.adapter)

    @property
    def n_shareable(self) -> int:
        """Prompt tokens that may come from another sequence's computation."""
        if self.crosses_boundary(len(self.prompt)):  # the keys of its first tokens are not those of a short prompt
            return 0
        # The sequence reads the last prompt token itself, for its logits.
        return len(self.prompt) - max(1, self.n_unshareable)

    def crosses_boundary(self, n_tokens: int) -> bool:
        """Whether so many tokens have other rotary frequencies than short sequences (engine/rope_boundary.py)."""
        return self.boundary is not None and self.adapter.n_virtual + n_tokens > self.boundary

    @property
    def n_cacheable(self) -> int:
        """Tokens in the slot that may be kept for later prompts."""
        length = self.allocated_slot.length
        if self.crosses_boundary(length):
            return 0
        return min(length, self.n_shareable) if self.n_unshareable else length

    @property
    def most_tokens(self) -> int:
        """Most tokens that the slot may come to hold, without virtual tokens."""
        return len(self.tokens)

    def use_adapter(self, adapter: LoadedAdapter, context_length: int, boundary: int | None = None) -> None:
        """Raises RequestError if the adapter's virtual tokens leave no room for an answer."""
        self.adapter, self.boundary = adapter, boundary
        if adapter.n_virtual and boundary is not None:  # the keys of virtual tokens are those of short sequences
            context_length = min(context_length, boundary)
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

    def draw(self, *, sampled: bool) -> Draw | None:
        """How the next token is decided with those of the other rows, if it can be; `sampled`: also where random."""
        return None

    @abstractmethod
    def take(self, logits: torch.Tensor, token: int | None, recompute: RecomputeAlone | None) -> None:
        """Go on with the logits of the last chunk, float [at least logits_wanted, vocabulary].

        `token` is what follows, where it is decided: a `draw`, or the largest logit of a `greedy` sequence, without a
        near tie. Others are decided here, and near ties by `recompute`, if given.
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

    def take(self, logits: torch.Tensor, token: int | None, recompute: RecomputeAlone | None) -> None:
        self.done = True
        self._result.finish(float(self._logprobs(logits).sum()))

    def _logprobs(self, logits: torch.Tensor) -> torch.Tensor:
        """float [tokens of the continuation]"""
        tokens = torch.tensor(self._continuation, device=logits.device)
        return torch.log_softmax(logits[-self.logits_wanted :].float(), -1).gather(1, tokens[:, None])[:, 0]


class TokenScoreSequence(ScoreSequence):
    """The same for each token of `continuation` alone."""

    def __init__(
        self, prompt: list[int], continuation: list[int], adapter_folder: str | None, result: ResultStream[list[float]]
    ) -> None:
        super().__init__(prompt, continuation, adapter_folder, ResultStream[float]())
        self.result = self._each = result

    def take(self, logits: torch.Tensor, token: int | None, recompute: RecomputeAlone | None) -> None:
        self.done = True
        self._each.finish(self._logprobs(logits).tolist())


def token_logprob(logits: torch.Tensor, token: int, decode: Callable[[list[int]], str], n_top: int = 0) -> TokenLogprob:
    """Of `token`, and of the `n_top` most probable ones in its place; logits float [vocabulary]."""
    row = logits.float()
    total = row.logsumexp(0)
    best = row.topk(min(n_top, row.numel())).indices.tolist() if n_top else []
    top = tuple(TokenLogprob(decode([i]), float(row[i] - total), i) for i in best)
    return TokenLogprob(decode([token]), float(row[token] - total), token, top)


def timeout_error(sequence: Sequence) -> RequestError:
    return RequestError(
        f"no answer within the timeout of {sequence.timeout:g} s",
        next_step="raise timeout, lower max_tokens, or send fewer at once",
    )
