"""Reasoning before an answer that is held to a form: free text up to the mark that closes it, then the form."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from domainkit.inference.backend import Completion, FinishReason, Request
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.choices import ChoiceSequence
from domainkit.inference.engine.sequences.sequence import Sequence
from domainkit.inference.engine.sequences.text import COMPLETION_RESERVE, TextSequence
from domainkit.messages import Thinking, split_reasoning

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domainkit.models.templates.chat_template import ReasoningPrompt


class ReasoningSequence(TextSequence):
    """At most `n_tokens` of reasoning; what closes it is then put there, and the answer's own sequence goes on.

    `go_on(prompt, n_tokens)` starts that sequence: with all tokens so far as its prompt, and how many of the request's
    `max_tokens` are used.
    """

    def __init__(
        self,
        request: Request,
        prompt: ReasoningPrompt,
        n_tokens: int,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: Collection[int],
        context_length: int,
        result: ResultStream[Completion],
        go_on: Callable[[list[int], int], None],
    ) -> None:
        free = Request(
            request.messages,
            adapter=request.adapter,
            max_tokens=n_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            timeout=request.timeout,
        )
        stops = {*stop_ids, prompt.closing[0]}
        super().__init__(free, [*prompt.ids], tokenizer, stops, None, context_length, result, "opened")
        self._closing = prompt
        self._go_on = go_on

    def _finish(self, reason: FinishReason) -> None:
        self.done = True
        self._detokenizer.finish()
        text = self._detokenizer.text
        reasoning = split_reasoning(text, opened=True).reasoning
        self._result.send("", reasoning[len(self._streamed.reasoning) :])
        closing = [*(() if text.endswith("\n") else self._closing.line_end), *self._closing.closing]
        self._result.before = Completion(
            text="",
            finish_reason=reason,
            prompt_tokens=len(self.prompt),
            completion_tokens=self._n_new + len(closing),
            prefill_seconds=self.prefill_seconds,
            decode_seconds=self.decode_seconds,
            reasoning=reasoning,
        )
        self._go_on([*self.tokens, *closing], self._n_new + len(closing))


@dataclass(frozen=True, slots=True)
class Answering:
    """What all sequences of one answer share."""

    tokenizer: PreTrainedTokenizerBase
    spelling: Spelling | None
    """There for an answer that is one of its choices."""
    stop_ids: Collection[int]
    constraint: Constraint | None
    context_length: int
    submit: Callable[[list[Sequence]], None]
    stream: ResultStream[Completion]

    def sequence(self, request: Request, prompt: list[int], thinking: Thinking = "off") -> Sequence:
        """The answer alone."""
        if self.spelling is not None:
            return ChoiceSequence(request, prompt, self.tokenizer, self.spelling, self.stop_ids, self.stream)
        return TextSequence(
            request, prompt, self.tokenizer, self.stop_ids, self.constraint, self.context_length, self.stream, thinking
        )

    def after_reasoning(self, request: Request, prompt: ReasoningPrompt) -> Sequence | None:
        """Reasoning, and then the answer; None where max_tokens leaves no room for both."""
        closing = len(prompt.closing) + len(prompt.line_end)
        room = min(request.max_tokens, self.context_length - len(prompt.ids)) - closing
        n_tokens = room - self._least_answer(request, room)
        if request.thinking_budget is not None:
            n_tokens = min(n_tokens, request.thinking_budget)
        if n_tokens < 1:
            return None

        def go_on(prompt: list[int], used: int) -> None:
            answer = self.sequence(replace(request, max_tokens=request.max_tokens - used), prompt)
            answer.deadline = first.deadline
            self.submit([answer])

        first = ReasoningSequence(
            request, prompt, n_tokens, self.tokenizer, self.stop_ids, self.context_length, self.stream, go_on
        )
        return first

    def _least_answer(self, request: Request, room: int) -> int:
        """Tokens that are kept for the answer."""
        if self.spelling is not None:
            return max(len(self.spelling.spell(choice)) for choice in request.choices)
        if self.constraint is None and request.regex is None:  # a free answer behind budgeted reasoning
            return min(COMPLETION_RESERVE, max(1, room // 2))
        shortest = self.constraint.closing_suffix(room) if self.constraint and request.regex is None else None
        return COMPLETION_RESERVE + len(shortest or ())
