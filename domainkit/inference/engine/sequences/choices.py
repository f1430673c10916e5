"""Choices: the most probable answer of a closed list, and the probability of each, without a pass for every token.

The choices form a trie of tokens. At a branch, the model's probabilities are renormalised over the tokens that can
follow, and split the branch's probability. This is the distribution that constrained sampling draws from.
"""

from __future__ import annotations

import heapq
import math
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch

from domainkit.errors import RequestError
from domainkit.inference.backend import Completion, Request, TokenLogprob
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences import sampling
from domainkit.inference.engine.sequences.detokenizer import decoder
from domainkit.inference.engine.sequences.sampling import Sample, gumbel_noise, logit_range, random_generator, sample
from domainkit.inference.engine.sequences.sequence import RecomputeAlone, Sequence, token_logprob

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MIN_PROBABILITY = 0.01
"""Branches of less probability are not opened; it is shared evenly among their choices."""


@dataclass(slots=True)
class Branch:
    """A node of the trie."""

    children: dict[int, Branch] = field(default_factory=dict)
    """By token."""
    choice: str | None = None
    """The choice that ends here."""

    def choices(self) -> Iterator[str]:
        """Every choice that ends here or below."""
        if self.choice is not None:
            yield self.choice
        for child in self.children.values():
            yield from child.choices()


def choice_trie(choices: tuple[str, ...], spelling: Spelling) -> Branch:
    """The trie of the choices' tokens, cached by `spelling`. Raises RequestError for the same choice twice."""
    return spelling.compiled(("choice trie", choices), lambda: _build_trie(choices, spelling))


def _build_trie(choices: tuple[str, ...], spelling: Spelling) -> Branch:
    root = Branch()
    for choice in choices:
        branch = root
        for token in spelling.spell(choice):
            branch = branch.children.setdefault(token, Branch())
        if branch.choice is not None:
            raise RequestError(f"the choice {choice!r} is given twice", next_step="list each choice once")
        branch.choice = choice
    return root


@dataclass(frozen=True, slots=True)
class OpenBranch:
    """A branch whose probability is known, and not yet how it is split."""

    probability: float
    branch: Branch
    path: tuple[int, ...]
    """The tokens that lead to the branch."""
    depth: int
    """Branches opened on the path."""


class ChoiceSearch:
    """Best-first search in the trie: the most probable branch is opened first.

    The search ends when the best complete choice is more probable than every open branch. No other choice can then be
    more probable, because probability never grows with depth.
    """

    def __init__(self, root: Branch, stop_ids: list[int]) -> None:
        self._stop_ids = stop_ids
        self._probabilities: dict[str, float] = {}  # of the choices that are reached
        self._heap: list[tuple[float, int, OpenBranch]] = []  # by probability, largest first; then by age
        self._n_pushed = 0
        self._current: OpenBranch | None = None
        self._largest_range = 0.0
        self._max_depth = 1
        self.near_tie = False
        """A branch was opened, or left, by a difference that may be rounding."""
        self._push(1.0, root, (), 0)
        self._open_next()

    @property
    def path(self) -> tuple[int, ...] | None:
        """The tokens after which logits are needed next; None when the search is done."""
        return self._current.path if self._current else None

    @property
    def margin(self) -> float:
        """Differences of log-probabilities that rounding may overturn."""
        # Where two choices part, they differ by two logits. Each branch below adds the errors of a logit and of a
        # normalisation for both.
        return sampling.NEAR_TIE * self._largest_range * (2 * self._max_depth - 1)

    def observe(self, logits: torch.Tensor) -> None:
        """Split the current branch by `logits`, float [vocabulary], after `path`."""
        current = self._current
        assert current is not None
        branch = current.branch
        self._largest_range = max(self._largest_range, float(logit_range(logits)))
        self._max_depth = max(self._max_depth, current.depth + 1)
        # Only the tokens that can follow count, as in constrained sampling.
        scores = logits[list(branch.children)].float()
        if branch.choice is not None:  # the choice may also end here
            scores = torch.cat([scores, logits[self._stop_ids].float().logsumexp(0, keepdim=True)])
        shares = torch.softmax(scores, 0).tolist()
        for (token, child), share in zip(branch.children.items(), shares, strict=False):
            self._push(current.probability * share, child, (*current.path, token), current.depth + 1)
        if branch.choice is not None:
            self._probabilities[branch.choice] = current.probability * shares[-1]
        self._open_next()

    def probabilities(self, choices: tuple[str, ...] | list[str]) -> dict[str, float]:
        """Each choice's probability; they sum to 1."""
        probabilities = dict(self._probabilities)
        # How the probability of a branch that was not opened is split is unknown, and would not change the best.
        for _, _, left in self._heap:
            inside = list(left.branch.choices())
            probabilities.update(dict.fromkeys(inside, left.probability / len(inside)))
        return {choice: probabilities[choice] for choice in choices}

    def _push(self, probability: float, branch: Branch, path: tuple[int, ...], depth: int) -> None:
        # Where only one token can follow, the model need not be asked.
        while len(branch.children) == 1 and branch.choice is None:
            ((token, branch),) = branch.children.items()
            path = (*path, token)
        if not branch.children:
            self._probabilities[str(branch.choice)] = probability
            return
        self._n_pushed += 1
        heapq.heappush(self._heap, (-probability, self._n_pushed, OpenBranch(probability, branch, path, depth)))

    def _open_next(self) -> None:
        self._current = None
        open_probability = self._heap[0][2].probability if self._heap else 0.0
        best = max(self._probabilities.values(), default=0.0)
        if self._heap and any(abs(open_probability - b) < self.margin * b for b in (MIN_PROBABILITY, best)):
            self.near_tie = True
        # Branches above MIN_PROBABILITY are opened for the other choices' probabilities, although the best is decided.
        if open_probability < MIN_PROBABILITY and open_probability <= best:
            return
        self._current = heapq.heappop(self._heap)[2]


def sample_choice(
    probabilities: dict[str, float], temperature: float, top_p: float, seed: int | None, margin: float
) -> Sample:
    """Index of the most probable choice; with a temperature, of one sampled from softmax(log-probability / T)."""
    # The logarithm of 0, which rounding can give, would be a forbidden choice.
    logits = torch.tensor([math.log(max(p, 1e-300)) for p in probabilities.values()], dtype=torch.float64)
    noise = gumbel_noise(len(logits), random_generator(seed)) if temperature > 0 else None
    return sample(logits, temperature, top_p, noise, margin)


class ChoiceSequence(Sequence):
    """One of the request's choices: the most probable, or a sampled one. `max_tokens` and `stop` do not apply."""

    def __init__(
        self,
        request: Request,
        prompt: list[int],
        tokenizer: PreTrainedTokenizerBase,
        spelling: Spelling,
        stop_ids: Collection[int],
        result: ResultStream[Completion],
    ) -> None:
        super().__init__(prompt, request.adapter, result, request.timeout)
        self._request = request
        self._result = result
        self._spell = spelling.spell
        self._decode = decoder(tokenizer)
        self._new_search = partial(ChoiceSearch, choice_trie(request.choices, spelling), list(stop_ids))
        self._search = self._new_search()
        # One seed for all decisions of the request, even if it has none: a recomputed decision needs the same noise.
        self._seed = secrets.randbits(63) if request.seed is None else request.seed
        self._chosen: str | None = None
        self._longest = max(len(self._spell(choice)) for choice in request.choices)
        self._advance(None)

    @property
    def most_tokens(self) -> int:
        return len(self.prompt) + self._longest

    def next_chunk(self) -> Chunk:
        """The slot keeps the tokens of the last branch that this branch begins with."""
        cached = self.allocated_slot.tokens
        n_common = min(len(cached), len(self.prompt))
        while n_common < min(len(cached), len(self.tokens)) and cached[n_common] == self.tokens[n_common]:
            n_common += 1
        return self._chunk_from(n_common)

    def take(self, logits: torch.Tensor, token: int | None, recompute: RecomputeAlone | None) -> None:
        if self._chosen is not None:
            self._finish(self._chosen, self._token_logprobs(self._chosen, logits[-self.logits_wanted :]))
            return
        self._search.observe(logits[-1])
        self._advance(recompute)

    def _advance(self, recompute: RecomputeAlone | None) -> None:
        """Have the search's next branch read, or decide."""
        path = self._search.path
        if path is not None:
            self.tokens = [*self.prompt, *path]
            return
        chosen = self._decide(recompute)
        ids = self._spell(chosen)
        if not (self._request.logprobs and ids):
            self._finish(chosen, ())
            return
        # Read the choice once more, whole, for the logits of each of its tokens.
        self._chosen, self.tokens, self.logits_wanted = chosen, [*self.prompt, *ids[:-1]], len(ids)

    def _decide(self, recompute: RecomputeAlone | None) -> str:
        request, drawn = self._request, self._sample()
        # A branch that was left is never the most probable choice, so its near tie matters only when sampling.
        near_tie = drawn.near_tie or (self._search.near_tie and request.temperature > 0)
        if recompute and near_tie:
            self._search = self._search_alone(recompute) or self._search
            drawn = self._sample()
        return request.choices[drawn.index]

    def _sample(self) -> Sample:
        request, search = self._request, self._search
        probabilities = search.probabilities(request.choices)
        return sample_choice(probabilities, request.temperature, request.top_p, self._seed, search.margin)

    def _search_alone(self, recompute: RecomputeAlone) -> ChoiceSearch | None:
        """The whole search once more, by logits that do not depend on the batch."""
        search = self._new_search()
        while search.path is not None:
            logits = recompute([*self.prompt, *search.path], 1)
            if logits is None:
                return None
            search.observe(logits[-1])
        return search

    def _token_logprobs(self, choice: str, logits: torch.Tensor) -> tuple[TokenLogprob, ...]:
        ids = self._spell(choice)
        n_top, pairs = self._request.top_logprobs, zip(logits, ids, strict=True)
        return tuple(token_logprob(row, token, self._decode, n_top) for row, token in pairs)

    def _finish(self, choice: str, logprobs: tuple[TokenLogprob, ...]) -> None:
        self.done = True
        completion = Completion(
            text=choice,
            finish_reason="stop",
            prompt_tokens=len(self.prompt),
            completion_tokens=len(self._spell(choice)),
            prefill_seconds=self.prefill_seconds,
            decode_seconds=self.decode_seconds,
            logprobs=logprobs,
            choice_probabilities=self._search.probabilities(self._request.choices),
        )
        self._result.finish(completion, choice, logprobs=logprobs)
