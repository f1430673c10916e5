"""Choose: the most probable of a closed list of answers, and the probability of each, without running the model for all.

The choices form a trie of tokens. At a branch the model's probabilities, renormalised over the branch's continuations,
split the mass; where only one continuation is possible nothing is asked. This is the distribution that constrained
sampling draws from. The search opens the heaviest branch first, and stops when the best whole choice outweighs every
branch left unopened: no other choice can then be more probable. (Best-first search, as mass never grows with depth.)
What rounding could have decided (see `sampling`) is told as not `sure`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from domainkit.errors import RequestError
from domainkit.inference.constrained.token_spelling import Spelling
from domainkit.inference.engine.sampling import NEAR, Drawn, draw, generator, gumbel, spread

RESOLUTION = 0.01
"""Branches lighter than this are not opened; their mass is shared evenly among their choices."""


@dataclass(slots=True)
class Branch:
    """A place in the trie: what may follow, and the choice that ends here."""

    children: dict[int, Branch] = field(default_factory=dict)
    choice: str | None = None

    def choices(self) -> Iterator[str]:
        if self.choice is not None:
            yield self.choice
        for child in self.children.values():
            yield from child.choices()


def choice_trie(choices: tuple[str, ...], spelling: Spelling) -> Branch:
    """The trie of the choices' tokens; kept per tokeniser. Two choices that are spelled alike are a RequestError."""
    return spelling.compiled(("choice trie", choices), lambda: _build(choices, spelling))


def _build(choices: Sequence[str], spelling: Spelling) -> Branch:
    root = Branch()
    for choice in choices:
        at = root
        for token in spelling.spell(choice):
            at = at.children.setdefault(token, Branch())
        if at.choice is not None:
            raise RequestError(f"the choice {choice!r} is given twice", next_step="list each choice once")
        at.choice = choice
    return root


class Search:
    """`path` is the next question to the model: what follows these tokens? `observe` takes the answer; None: decided."""

    def __init__(self, root: Branch, ends: Sequence[int]) -> None:
        self._ends = list(ends)
        self._found: dict[str, float] = {}
        self._open: list[tuple[float, int, Branch, tuple[int, ...], int]] = []
        self._pushed = 0
        self._at: tuple[float, Branch, tuple[int, ...], int] | None = None
        self._widest = 0.0
        self._deepest = 1
        self.sure = True
        """No branch was opened, or left, by less than rounding may move."""
        self._push(1.0, root, (), 0)
        self._next()

    @property
    def path(self) -> tuple[int, ...] | None:
        return self._at[2] if self._at else None

    @property
    def near(self) -> float:
        """How near two choices' log-probabilities must be for rounding to decide: as near as two logits where they part, and
        twice that for each branch below."""
        return NEAR * self._widest * (2 * self._deepest - 1)

    def observe(self, logits: torch.Tensor) -> None:
        """`logits`, float [vocabulary], follow `path`."""
        assert self._at is not None
        mass, branch, path, depth = self._at
        self._widest = max(self._widest, float(spread(logits)))
        self._deepest = max(self._deepest, depth + 1)
        tokens = list(branch.children)
        scores = logits[tokens].float()
        if branch.choice is not None:
            scores = torch.cat([scores, logits[self._ends].float().logsumexp(0, keepdim=True)])
        shares = torch.softmax(scores, 0).tolist()
        for token, share in zip(tokens, shares, strict=False):
            self._push(mass * share, branch.children[token], (*path, token), depth + 1)
        if branch.choice is not None:
            self._found[branch.choice] = mass * shares[-1]
        self._next()

    def probabilities(self, choices: Sequence[str]) -> dict[str, float]:
        """Each choice's probability; they sum to 1."""
        found = dict(self._found)
        for negative, _, branch, *_ in self._open:
            inside = list(branch.choices())
            found.update({c: -negative / len(inside) for c in inside})
        return {c: found[c] for c in choices}

    def _push(self, mass: float, branch: Branch, path: tuple[int, ...], depth: int) -> None:
        while len(branch.children) == 1 and branch.choice is None:
            ((token, branch),) = branch.children.items()
            path = (*path, token)
        if not branch.children:
            self._found[str(branch.choice)] = mass
            return
        self._pushed += 1
        heapq.heappush(self._open, (-mass, self._pushed, branch, path, depth))

    def _next(self) -> None:
        self._at = None
        heaviest = -self._open[0][0] if self._open else 0.0
        best = max(self._found.values(), default=0.0)
        if self._open and any(abs(heaviest - bound) < self.near * bound for bound in (RESOLUTION, best)):
            self.sure = False
        if heaviest < RESOLUTION and heaviest <= best:
            return
        negative, _, branch, path, depth = heapq.heappop(self._open)
        self._at = (-negative, branch, path, depth)


def pick(probabilities: dict[str, float], temperature: float, top_p: float, seed: int | None, near: float) -> Drawn:
    """Index of the most probable choice, or with a temperature of one drawn from the distribution sharpened by it."""
    logits = torch.tensor([math.log(max(p, 1e-300)) for p in probabilities.values()], dtype=torch.float64)
    noise = gumbel(len(logits), generator(seed)) if temperature > 0 else None
    return draw(logits, temperature, top_p, noise, near)
