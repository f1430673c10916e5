"""Rows: what is being computed for whom. An answer token by token, a choice among closed answers, or scores of given ones.

A row says which tokens the model has to read (`seat`), how many of the last places it wants logits for (`wants`), and takes
them (`take`) until it is `done`. Rows know nothing of one another: sharing is the scheduler's business.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from domainkit.errors import RequestError
from domainkit.inference.adapters.pool import NO_ADAPTER
from domainkit.inference.backend import Completion, FinishReason, Request, TokenLogprob
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.inference.engine.choices import Search, choice_trie, pick
from domainkit.inference.engine.detokenizer import TextStream, decoder
from domainkit.inference.engine.kv_cache import Seat
from domainkit.inference.engine.result_stream import Outlet
from domainkit.inference.engine.sampling import NEAR, Drawn, draw, generator, gumbel, spread
from domainkit.messages import parse_calls, shown_length

MARGIN = 32
"""Tokens of an answer's room, beyond its way out, from which that way is measured at each step."""
Again = Callable[[], "torch.Tensor | None"]
"""Computes a row's logits anew with nobody beside it; None without the memory for that."""


class Row:
    """One piece of work; `prompt` are its tokens, `adapter` the folder it asks for, `shareable` how many tokens may come
    from another row's computation."""

    def __init__(
        self, prompt: Sequence[int], adapter: str | None, outlet: Outlet, timeout: float | None = None
    ) -> None:
        self.prompt = list(prompt)
        self.seat = Seat(list(prompt))
        self.folder = adapter
        self.outlet = outlet
        self.timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.adapter = NO_ADAPTER
        self.owner: str | None = None  # the adapter's name once loaded
        self.lead: Any = None  # the state of the adapter's virtual tokens
        self.private = 0  # last prompt tokens whose state is no other prompt's, however alike
        self.started = False
        self.done = False
        self.wants = 1
        self.prefill_seconds = 0.0
        self.decode_seconds = 0.0

    @property
    def shareable(self) -> int:
        """The last prompt token is always read by the row itself: its logits are wanted."""
        return len(self.prompt) - max(1, self.private)

    @property
    def keepable(self) -> int:
        """How many of the tokens read may be kept for later rows that begin alike."""
        return min(self.seat.length, self.shareable) if self.private else self.seat.length

    def shorten(self, tokens: int) -> None:
        """Make do with so many positions less. Raises RequestError when that leaves no answer."""
        raise RequestError(
            f"it needs {tokens} positions more than the base reads, with the adapter's virtual tokens before it",
            next_step="shorten the prompt, or use an adapter without virtual tokens",
        )

    @property
    def greedy(self) -> bool:
        """The row needs no more than the index of the largest logit."""
        return False

    @property
    def most_tokens(self) -> int:
        """Most tokens its seat may come to hold."""
        return len(self.seat.tokens)

    def take(self, logits: torch.Tensor | None, best: int, again: Again | None = None) -> None:
        """float [wants, vocabulary], or None and the largest one's index for a `greedy` row. What rounding could overturn is
        decided by `again`'s logits, where given."""
        raise NotImplementedError

    def charge(self, seconds: float) -> None:
        """This row's share of a pass."""
        if self.started:
            self.decode_seconds += seconds
        else:
            self.prefill_seconds += seconds


class Answer(Row):
    """Text, token by token."""

    def __init__(
        self,
        request: Request,
        prompt: Sequence[int],
        tokenizer: Any,
        stop_ids: Sequence[int],
        constraint: Constraint | None,
        limit: int,
        outlet: Outlet,
    ) -> None:
        super().__init__(prompt, request.adapter, outlet, request.timeout)
        self._request = request
        self._stop_ids = frozenset(stop_ids)
        self._constraint = constraint
        self._decode = decoder(tokenizer)
        self._text = TextStream(tokenizer, request.stop)
        self._random = generator(request.seed) if request.temperature > 0 else None
        self._room = min(request.max_tokens, limit - len(prompt))
        self._shown = 0
        self._logprobs: list[TokenLogprob] = []
        self._count = 0
        self._closing = False
        self._check_at = 0  # tokens written when the way out is next measured
        self._way: list[int] | None = None
        self._way_from = 0
        self._follow_forced()

    @property
    def greedy(self) -> bool:
        return self._constraint is None and self._random is None and not self._request.logprobs

    @property
    def most_tokens(self) -> int:
        return len(self.prompt) + self._room

    def shorten(self, tokens: int) -> None:
        if self._room - tokens < 1 + self._count:
            super().shorten(tokens)
        self._room -= tokens

    def take(self, logits: torch.Tensor | None, best: int, again: Again | None = None) -> None:
        token = best if logits is None else self._sample(logits[-1], again)
        if token in self._stop_ids:
            self._finish("stop")
            return
        if self._is_last_exit(token):
            self._leave_by_exit()
            return
        self._accept(token)
        self._follow_forced()

    def _is_last_exit(self, token: int) -> bool:
        """Whether taking `token` would leave too few tokens to complete a schema's answer."""
        bounded = self._request.json_schema is not None or self._request.tool_choice != "auto"
        if self._constraint is None or not bounded or self._count < self._check_at:
            return False
        left = self._room - self._count
        way = self._constraint.closing_suffix(left, after=token)
        if way is None:
            return self._way is not None
        if left - len(way) > MARGIN:
            # Each token may make the way out longer, by an item's required properties: look again half-way.
            self._check_at = self._count + (left - len(way) - MARGIN + 1) // 2
        else:
            self._way, self._way_from = way, self._count
        return False

    def _leave_by_exit(self) -> None:
        """Complete the answer by the way measured last; no model is needed for that."""
        assert self._way is not None
        self._closing = True
        for token in self._way[self._count - self._way_from :]:
            if not self.done:
                self._accept(token)
        if not self.done:
            self._finish("length")

    def _sample(self, logits: torch.Tensor, again: Again | None) -> int:
        noise = None if self._random is None else gumbel(logits.numel(), self._random)
        found = self._draw(logits, noise, NEAR * float(spread(logits)) if again else 0.0)
        own = again() if again and not found.sure else None
        if own is not None:
            logits = own[-1]
            found = self._draw(logits, noise, 0.0)
        if self._request.logprobs and found.index not in self._stop_ids:
            self._logprobs.append(token_logprob(logits, found.index, self._decode))
        return found.index

    def _draw(self, logits: torch.Tensor, noise: torch.Tensor | None, near: float) -> Drawn:
        if self._constraint is not None:
            logits = logits.clone()
            self._constraint.apply(logits)
        return draw(logits, self._request.temperature, self._request.top_p, noise, near)

    def _accept(self, token: int) -> None:
        if self._constraint is not None:
            self._constraint.advance(token)
        self.seat.tokens.append(token)
        self._count += 1
        self._text.push(token)
        if self._text.stopped or (self._constraint is not None and self._constraint.finished):
            self._finish("length" if self._closing else "stop")
        elif self._count >= self._room:
            self._finish("length")
        else:
            self._show()

    def _follow_forced(self) -> None:
        """Tokens without an alternative need no model; with logprobs wanted they are read one by one all the same."""
        while self._constraint is not None and not self.done and not self._request.logprobs:
            forced = self._constraint.forced()
            if not forced:
                return
            for token in forced:
                if not self.done:
                    self._accept(token)

    def _show(self) -> None:
        text = self._text.text
        upto = shown_length(text) if self._request.tools else len(text)
        if self.outlet.streams and upto > self._shown:
            self.outlet.send(text[self._shown : upto])
            self._shown = upto

    def _finish(self, reason: FinishReason) -> None:
        self.done = True
        self._text.finish()
        text = self._text.text
        calls: Any = ()
        invalid: Any = ()
        if self._request.tools:
            text, calls, invalid = parse_calls(text, self._request.tools)
        self.outlet.finish(
            Completion(
                text=text,
                finish_reason="tool_calls" if calls and not self._closing else reason,
                prompt_tokens=len(self.prompt),
                completion_tokens=self._count,
                prefill_seconds=self.prefill_seconds,
                decode_seconds=self.decode_seconds,
                tool_calls=calls,
                invalid_tool_calls=invalid,
                logprobs=tuple(self._logprobs),
            ),
            text[self._shown :],
        )


class Choice(Row):
    """One of the request's choices: the most probable, or one drawn; `max_tokens` and `stop` do not cut it."""

    def __init__(
        self,
        request: Request,
        prompt: Sequence[int],
        tokenizer: Any,
        spelling: Spelling,
        stop_ids: Sequence[int],
        outlet: Outlet,
    ) -> None:
        super().__init__(prompt, request.adapter, outlet, request.timeout)
        self._request = request
        self._spell = spelling.spell
        self._new_search = partial(Search, choice_trie(request.choices, spelling), stop_ids)
        self._search = self._new_search()
        # A draw without a seed of its own is drawn once, however often it is decided.
        self._seed = secrets.randbits(63) if request.seed is None else request.seed
        self._decode = decoder(tokenizer)
        self._chosen: str | None = None
        self._longest = max(len(self._spell(c)) for c in request.choices)
        self._ask()

    @property
    def most_tokens(self) -> int:
        return len(self.prompt) + self._longest

    def take(self, logits: torch.Tensor | None, best: int, again: Again | None = None) -> None:
        assert logits is not None
        if self._chosen is not None:
            self._finish(self._spoken(logits[-self.wants :]))
            return
        self._search.observe(logits[-1])
        self._ask(again)

    def _ask(self, again: Again | None = None) -> None:
        """Read the next branch, or decide."""
        path = self._search.path
        if path is not None:
            self._go_to([*self.prompt, *path])
            return
        request, found = self._request, self._pick()
        # What was left unopened is never the most probable; only a draw can tell.
        if again and not (found.sure and (self._search.sure or request.temperature <= 0)):
            self._search = self._searched_alone(again) or self._search
            found = self._pick()
        self._chosen = request.choices[found.index]
        ids = self._spell(self._chosen)
        if request.logprobs and ids:
            self._go_to([*self.prompt, *ids[:-1]], reread=len(ids))
            self.wants = len(ids)
        else:
            self._finish(())

    def _pick(self) -> Drawn:
        request, search = self._request, self._search
        return pick(search.probabilities(request.choices), request.temperature, request.top_p, self._seed, search.near)

    def _searched_alone(self, again: Again) -> Search | None:
        """The whole search once more, by `again`'s logits."""
        search, tokens = self._new_search(), self.seat.tokens
        try:
            while search.path is not None:
                self.seat.tokens = [*self.prompt, *search.path]
                own = again()
                if own is None:
                    return None
                search.observe(own[-1])
        finally:
            self.seat.tokens = tokens
        return search

    def _go_to(self, tokens: list[int], reread: int = 0) -> None:
        """The state of the tokens that stay is kept; the last `reread` are read again for their logits."""
        seat = self.seat
        same = next((i for i, (a, b) in enumerate(zip(seat.tokens, tokens, strict=False)) if a != b), None)
        same = min(len(seat.tokens), len(tokens)) if same is None else same
        seat.tokens, seat.length = tokens, min(seat.length, same, len(tokens) - max(1, reread))

    def _spoken(self, logits: torch.Tensor) -> tuple[TokenLogprob, ...]:
        ids = self._spell(self._chosen or "")
        return tuple(token_logprob(row, i, self._decode) for row, i in zip(logits, ids, strict=True))

    def _finish(self, logprobs: tuple[TokenLogprob, ...]) -> None:
        self.done = True
        text = self._chosen or ""
        self.outlet.finish(
            Completion(
                text=text,
                finish_reason="stop",
                prompt_tokens=len(self.prompt),
                completion_tokens=len(self._spell(text)),
                prefill_seconds=self.prefill_seconds,
                decode_seconds=self.decode_seconds,
                logprobs=logprobs,
                choice_probabilities=self._search.probabilities(self._request.choices),
            ),
            text,
        )


class Score(Row):
    """The natural-log likelihood of `continuation` after `prompt`."""

    def __init__(self, prompt: Sequence[int], continuation: Sequence[int], adapter: str | None, outlet: Outlet) -> None:
        super().__init__(prompt, adapter, outlet)
        self._continuation = list(continuation)
        self.seat.tokens = [*prompt, *continuation[:-1]]
        self.wants = len(continuation)
        if not continuation:
            self.done = True
            outlet.finish(0.0)

    def take(self, logits: torch.Tensor | None, best: int, again: Again | None = None) -> None:
        assert logits is not None
        places = torch.tensor(self._continuation, device=logits.device)
        found = torch.log_softmax(logits[-self.wants :].float(), -1).gather(1, places[:, None])
        self.done = True
        self.outlet.finish(float(found.sum()))


def token_logprob(logits: torch.Tensor, token: int, decode: Any) -> TokenLogprob:
    row = logits.float()
    return TokenLogprob(decode([token]), float(row[token] - row.logsumexp(0)))


def timed_out(row: Row) -> RequestError:
    return RequestError(
        f"no answer within the timeout of {row.timeout:g} s",
        next_step="raise timeout, lower max_tokens, or send fewer at once",
    )
