"""A text, token by token: sampled, held to a constraint, cut at stop strings and streamed."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Request, TokenLogprob
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.constrained.read_answer import read_answer, shown_parts
from domainkit.inference.engine.acceleration.prompt_lookup import N_GUESSES, PromptLookup
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.counter_noise import counter_gumbel, signed, stream_key
from domainkit.inference.engine.sequences.detokenizer import Detokenizer, decoder
from domainkit.inference.engine.sequences.next_tokens import Draw
from domainkit.inference.engine.sequences.sampling import (
    Sample,
    gumbel_noise,
    near_tie_margin,
    random_generator,
    sample,
)
from domainkit.inference.engine.sequences.sequence import RecomputeAlone, Sequence, token_logprob
from domainkit.messages import CHANNEL_MARKS, SplitAnswer, Thinking

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPLETION_RESERVE = 32
"""With fewer tokens left beyond the shortest completion of a constrained answer, it is computed at each step."""


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
        thinking: Thinking = "off",
    ) -> None:
        super().__init__(prompt, request.adapter, result, request.timeout)
        self._request = request
        self._result = result
        self._stop_ids = frozenset(stop_ids)
        self._constraint = constraint
        self._decode = decoder(tokenizer)
        self._detokenizer = Detokenizer(tokenizer, request.stop, () if thinking == "off" else CHANNEL_MARKS)
        # A fresh seed is one all the same: a near tie is drawn again from the same noise.
        self._seed = secrets.randbits(63) if request.seed is None else request.seed
        self._random = random_generator(self._seed) if request.temperature > 0 else None
        self._max_new_tokens = min(request.max_tokens, context_length - len(prompt))
        self._logprobs: list[TokenLogprob] = []
        self._n_logprobs_sent = 0
        self._opened = thinking == "opened"
        self._streamed = SplitAnswer("", "")
        # Of a constrained answer, how to end it in as few tokens as possible:
        self._completion: list[int] | None = None
        self._completion_from = 0  # new tokens before the completion
        self._check_completion_at = 0  # new tokens after which to compute the completion again
        self._completing = False
        self._key: int | None = None  # of the counter noise, where rows are sampled together
        self._lookup = PromptLookup()
        self._guesses: list[int] = []  # that the next logits check
        self._append_forced()

    @property
    def greedy(self) -> bool:
        free = self._constraint is None and self._random is None
        return free and not self._request.logprobs and not self._guesses

    def draw(self, *, sampled: bool) -> Draw | None:
        random = self._random is not None
        self._key = stream_key(self._seed, self._n_new) if random and sampled else None
        if self._guesses or (random and not sampled) or not (random or self._constraint):
            return None
        return Draw(self._request.temperature, self._request.top_p, self._key or 0, self._constraint)

    def next_chunk(self) -> Chunk:
        self._guesses = []
        return super().next_chunk()

    def chunk_with_guesses(self) -> Chunk:
        chunk = self.next_chunk()
        # Tokens that a constraint appends would not be those in the slot. A text that crosses the boundary is read
        # again from its start.
        if self._constraint is not None or self.boundary is not None or len(chunk.tokens) > 1 or not self._prefilled:
            return chunk
        room = self._max_new_tokens - self._n_new - 1  # the pass itself gives one more token
        self._guesses = self._lookup.guess(self.tokens, min(N_GUESSES, room))
        return replace(chunk, tokens=[*chunk.tokens, *self._guesses], logits_wanted=1 + len(self._guesses))

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

    def take(self, logits: torch.Tensor, token: int | None, recompute: RecomputeAlone | None) -> None:
        if token is not None:
            if self._request.logprobs:
                self._note_logprob(logits[-1], token)
            self._take_token(token)
            return
        guesses, self._guesses = self._guesses, []
        for i, guess in enumerate([*guesses, None]):
            token = self._next_token(logits[i - len(guesses) - 1], recompute)
            self._take_token(token)
            if self.done or token != guess:  # what the pass read after a wrong guess is overwritten by the next one
                return

    def _take_token(self, token: int) -> None:
        # The constraint forbids stop tokens until the answer is complete.
        if token in self._stop_ids:
            self._finish("stop")
        elif self._must_complete(token):
            self._complete()
        else:
            self._append(token)
            self._append_forced()

    # ---- sampling ----

    def _next_token(self, logits: torch.Tensor, recompute: RecomputeAlone | None) -> int:
        noise = self._noise(logits.numel())  # the same for both: near ties depend on it
        drawn = self._sample(logits, noise, near_tie_margin(logits) if recompute else 0.0)
        alone = recompute(self.tokens, 1) if recompute and drawn.near_tie else None
        if alone is not None:
            logits = alone[-1]
            drawn = self._sample(logits, noise, 0.0)
        self._note_logprob(logits, drawn.index)
        return drawn.index

    def _noise(self, n: int) -> torch.Tensor | None:
        """Gumbel noise, float64 [n], on the CPU; None for a greedy text."""
        if self._random is None:
            return None
        if self._key is None:
            return gumbel_noise(n, self._random)
        return counter_gumbel(torch.tensor([[signed(self._key)]]), torch.arange(n))[0]

    def _note_logprob(self, logits: torch.Tensor, token: int) -> None:
        if self._request.logprobs and token not in self._stop_ids:
            self._logprobs.append(token_logprob(logits, token, self._decode, self._request.top_logprobs))

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
        if not self._result.streams:
            return
        shown, sent = shown_parts(self._detokenizer.text, self._request, opened=self._opened), self._streamed
        if shown != sent:
            new = tuple(self._logprobs[self._n_logprobs_sent :])
            self._result.send(shown.text[len(sent.text) :], shown.reasoning[len(sent.reasoning) :], new)
            self._streamed, self._n_logprobs_sent = shown, len(self._logprobs)

    def _finish(self, reason: FinishReason) -> None:
        self.done = True
        self._detokenizer.finish()
        relaxed = self._constraint is not None and self._constraint.relaxed
        try:
            answer = read_answer(self._detokenizer.text, self._request, opened=self._opened, check=relaxed)
        except RequestError as e:
            self._result.fail(e)
            return
        completion = Completion(
            text=answer.text,
            reasoning=answer.reasoning,
            finish_reason="tool_calls" if answer.calls and not self._completing else reason,
            prompt_tokens=len(self.prompt),
            completion_tokens=self._n_new,
            prefill_seconds=self.prefill_seconds,
            decode_seconds=self.decode_seconds,
            tool_calls=answer.calls,
            invalid_tool_calls=answer.invalid,
            logprobs=tuple(self._logprobs),
        )
        sent, new = self._streamed, tuple(self._logprobs[self._n_logprobs_sent :])
        rest, reasoning = answer.text[len(sent.text) :], answer.reasoning[len(sent.reasoning) :]
        self._result.finish(completion, rest, reasoning, new)
