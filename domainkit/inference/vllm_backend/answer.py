"""Token ids from vLLM as they come, to the pieces and the completion of an answer."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, FinishReason, Piece, Request, TokenLogprob
from domainkit.inference.constrained.read_answer import read_answer, shown_parts
from domainkit.inference.engine.sequences.detokenizer import Detokenizer, decoder
from domainkit.messages import CHANNEL_MARKS, SplitAnswer, Thinking

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class VLLMAnswer:
    """One answer. The text is made by our own detokenizer, so that stop strings and control tokens mean the same as on
    every backend."""

    def __init__(
        self,
        request: Request,
        prompt_tokens: int,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: Collection[int],
        thinking: Thinking,
        *,
        relaxed: bool,
    ) -> None:
        self._request, self._prompt_tokens, self._relaxed = request, prompt_tokens, relaxed
        self._stop_ids = frozenset(stop_ids)
        self._decode = decoder(tokenizer)
        self._detokenizer = Detokenizer(tokenizer, request.stop, () if thinking == "off" else CHANNEL_MARKS)
        self._opened = thinking == "opened"
        self._count = 0
        self._logprobs: list[TokenLogprob] = []
        self._sent, self._n_sent = SplitAnswer("", ""), 0
        self._began = time.perf_counter()
        self._first: float | None = None
        self._reason: FinishReason | None = None

    @property
    def done(self) -> bool:
        return self._reason is not None

    # Any: vLLM's RequestOutput.
    def add(self, output: Any) -> None:
        """The new tokens of an output."""
        self._first = self._first or time.perf_counter()
        part = output.outputs[0]
        steps = part.logprobs or [None] * len(part.token_ids)
        for token, step in zip(part.token_ids, steps, strict=True):
            if not self.done:
                self._take(int(token), step)
        if not self.done and part.finish_reason is not None:
            if part.finish_reason not in ("stop", "length"):
                what = f"vLLM ended the answer: {part.finish_reason}"
                raise RequestError(what, next_step="call it again; vLLM's log may say more")
            self._reason = part.finish_reason

    def _take(self, token: int, step: dict[int, Any] | None) -> None:
        if token in self._stop_ids:
            self._reason = "stop"
            return
        self._count += 1
        self._detokenizer.push(token)
        if step is not None and self._request.logprobs:
            self._logprobs.append(self._logprob(token, step))
        if self._detokenizer.stopped:
            self._reason = "stop"
        elif self._count >= self._request.max_tokens:
            self._reason = "length"

    def _logprob(self, token: int, step: dict[int, Any]) -> TokenLogprob:
        best = sorted(step.items(), key=lambda item: -item[1].logprob)[: self._request.top_logprobs]
        top = tuple(TokenLogprob(self._decode([i]), float(found.logprob), i) for i, found in best)
        return TokenLogprob(self._decode([token]), float(step[token].logprob), token, top)

    def piece(self) -> Piece | None:
        """What may be shown since the piece before; None where that is nothing."""
        shown, sent = shown_parts(self._detokenizer.text, self._request, opened=self._opened), self._sent
        if shown == sent:
            return None
        new = tuple(self._logprobs[self._n_sent :])
        self._sent, self._n_sent = shown, len(self._logprobs)
        return Piece(shown.text[len(sent.text) :], None, shown.reasoning[len(sent.reasoning) :], new)

    def last_piece(self) -> Piece:
        """The rest, with the completion."""
        completion = self.completion()
        text, reasoning = completion.text[len(self._sent.text) :], completion.reasoning[len(self._sent.reasoning) :]
        return Piece(text, completion, reasoning, tuple(self._logprobs[self._n_sent :]))

    def completion(self) -> Completion:
        """The whole answer. Raises RequestError for one that is not of the request's form."""
        self._detokenizer.finish()
        text = self._detokenizer.text
        answer = read_answer(text, self._request, opened=self._opened, check=self._relaxed)
        reason: FinishReason = self._reason or "stop"
        _check_choice(answer.text, self._request.choices, reason)
        now = time.perf_counter()
        first = self._first or now
        return Completion(
            text=answer.text,
            reasoning=answer.reasoning,
            finish_reason="tool_calls" if answer.calls else reason,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self._count,
            prefill_seconds=first - self._began,
            decode_seconds=now - first,
            tool_calls=answer.calls,
            invalid_tool_calls=answer.invalid,
            logprobs=tuple(self._logprobs),
        )


def _check_choice(text: str, choices: Sequence[str], reason: str) -> None:
    if choices and text not in choices:
        why = "max_tokens ends it" if reason == "length" else "the engine's grammar gave another text"
        raise RequestError(f"the answer {text!r} is none of the choices: {why}", next_step="raise max_tokens")
