"""Next tokens: the rows of a pass that are constrained or sampled, decided together where their logits are.

However many rows there are, their masks, seeds and options go to the device as one copy each, and the tokens come back
as one. `sample` (sampling.py) defines what a row draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from domainkit.inference.constrained.compiled_grammar import unpacked
from domainkit.inference.constrained.constraint import Constraint
from domainkit.inference.engine.sequences import sampling
from domainkit.inference.engine.sequences.counter_noise import counter_gumbel, signed
from domainkit.inference.engine.sequences.sampling import logit_range, near_ties

MAX_NUMBERS = (2**22, 2**18)
"""Logits that are decided at once: 32 rows of 128k tokens on a device, 32 MB as float64; two on a CPU, whose cache they
stay in."""
N_PROBABLE = 256
"""Most probable tokens that are looked at first: with a top_p, sorting a whole vocabulary is rarely needed."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How the next token of a row is chosen."""

    temperature: float = 0.0
    top_p: float = 1.0
    key: int = 0
    """Of the noise (counter_noise.py); not needed at temperature 0."""
    constraint: Constraint | None = None


@dataclass(slots=True)
class NextTokens:
    tokens: list[int]
    near_ties: list[bool]
    """Rounding could have decided the token."""
    errors: dict[int, Exception] = field(default_factory=dict)
    """By row: its constraint has no next token."""


Kind = tuple[bool, bool]
"""Sampled; sampled with a top_p."""
Decided = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Of each row: the token, whether it is a near tie, and whether more tokens have to be looked at."""


def next_tokens(logits: torch.Tensor, draws: Sequence[Draw | None], *, exact: bool) -> NextTokens:
    """The next token of each row of float [rows, vocabulary]; of a row without a draw, its largest logit.

    With `exact`, near ties are looked for.
    """
    rows = {i: draw for i, draw in enumerate(draws) if draw is not None}
    device, width = logits.device, logits.shape[1]
    best, ties, short = torch.zeros(3, len(draws), dtype=torch.long, device=device)
    if len(rows) < len(draws):
        best, ties, _ = _largest(logits, _margins(logits) if exact else None)
    if not rows:
        return NextTokens(best.tolist(), ties.tolist())
    ties = ties.long()
    masks = Masks({i: draw.constraint for i, draw in rows.items() if draw.constraint}, logits)
    options = _options(draws, device)

    def decide(group: list[int], kind: Kind, n_looked_at: int) -> None:
        index = torch.tensor(group, device=device)
        part = logits[index]
        margin = _margins(part) if exact else None  # of the model's own logits, not of those that are allowed
        found = _decide(masks.apply(part, group), kind, options[index], margin, n_looked_at)
        best[index], ties[index], short[index] = (t.long() for t in found)

    for group, kind in _groups(rows, max(1, MAX_NUMBERS[device.type == "cpu"] // width)):
        decide(group, kind, N_PROBABLE)
    tokens, tied, cut = torch.stack([best, ties, short]).tolist()  # waits for the device, once
    if any(cut):  # so flat a distribution that its top_p needs the whole vocabulary
        for i in np.flatnonzero(cut).tolist():
            decide([i], (True, True), width)
        tokens, tied = torch.stack([best, ties]).tolist()
    return NextTokens(tokens, [bool(t) for t in tied], masks.errors)


def _margins(logits: torch.Tensor) -> torch.Tensor:
    """float [rows, 1]: smaller differences may be rounding."""
    return sampling.NEAR_TIE * logit_range(logits)[:, None]


def _groups(rows: dict[int, Draw], size: int) -> Iterator[tuple[list[int], Kind]]:
    """Rows that are decided alike, at most `size` at once."""
    kinds: dict[Kind, list[int]] = {}
    for i, draw in rows.items():
        sampled = draw.temperature > 0
        kinds.setdefault((sampled, sampled and draw.top_p < 1), []).append(i)
    for kind, members in kinds.items():
        for k in range(0, len(members), size):
            yield members[k : k + size], kind


def _options(draws: Sequence[Draw | None], device: torch.device) -> torch.Tensor:
    """int64 [rows, 3]: the bits of temperature and top_p, and the key; one copy to the device."""
    given = [draw or Draw() for draw in draws]
    floats = np.array([[d.temperature, d.top_p] for d in given], dtype=np.float64).view(np.int64)
    keys = np.array([[signed(d.key)] for d in given], dtype=np.int64)
    return torch.from_numpy(np.concatenate([floats, keys], axis=1)).to(device)


# ---- rows of one kind ----


def _decide(
    logits: torch.Tensor, kind: Kind, options: torch.Tensor, margin: torch.Tensor | None, n_looked_at: int
) -> Decided:
    """`logits` float [rows, vocabulary], `options` int64 [rows, 3], `margin` float [rows, 1]."""
    sampled, cut = kind
    width = logits.shape[1]
    if not sampled:
        return _largest(logits, margin)
    temperature, top_p = options[:, :2].contiguous().view(torch.float64).split(1, dim=1)
    keys = options[:, 2:]
    logits, margin = logits.double(), None if margin is None else margin.double()
    if not cut:
        noise = counter_gumbel(keys, torch.arange(width, device=logits.device))
        return _largest(noise.mul_(temperature).add_(logits), margin)
    log_total = (logits / temperature).logsumexp(-1, keepdim=True)
    ordered, tokens = logits.topk(min(n_looked_at, width))
    mass = (ordered / temperature - log_total).exp_().cumsum_(-1)
    scores = counter_gumbel(keys, tokens).mul_(temperature).add_(ordered)
    place, tie, short = _largest_within(scores, ordered, mass, top_p, margin, more=width > n_looked_at)
    return tokens.gather(1, place)[:, 0], tie, short


def _largest(scores: torch.Tensor, margin: torch.Tensor | None) -> Decided:
    best = scores.argmax(-1)
    none = torch.zeros_like(best, dtype=torch.bool)
    return best, none if margin is None else near_ties(scores, best, margin[:, 0]), none


def _largest_within(
    scores: torch.Tensor,
    ordered: torch.Tensor,
    mass: torch.Tensor,
    top_p: torch.Tensor,
    margin: torch.Tensor | None,
    *,
    more: bool,
) -> Decided:
    """The place of each row's largest score among the fewest first entries that reach `top_p` (all as `scores`).

    `ordered` are the logits, largest first, and `mass` the probability up to each. `more`: others come after these.
    """
    k, border = scores.shape[1], torch.zeros_like(top_p) if margin is None else margin
    last, last_possible = ((mass < m).sum(-1, keepdim=True).clamp_(max=k - 1) for m in (top_p, top_p + border))
    lowest = ordered.gather(1, last_possible) - border
    short = ~((last_possible + 1 < k) & (ordered[:, -1:] < lowest))[:, 0] & more
    place = scores.masked_fill(ordered < ordered.gather(1, last), -torch.inf).argmax(-1, keepdim=True)
    if margin is None:
        return place, torch.zeros_like(short), short
    # The winner is certain if it wins against all that could be inside, and is inside whatever rounding does.
    possible = scores.masked_fill(ordered < lowest, -torch.inf)
    best, tie, _ = _largest(possible, margin)
    n_before = (ordered > ordered.gather(1, place) - margin).sum(-1, keepdim=True)
    own = mass.diff(dim=-1, prepend=torch.zeros_like(top_p)).gather(1, place)
    mass_before = mass.gather(1, n_before - 1) - own
    certain = ~tie & (best == place[:, 0]) & (mass_before < top_p - margin)[:, 0]
    return place, ~certain, short


class Masks:
    """The rows' constraints as bits: one copy to the device, a thirty-second of the logits."""

    def __init__(self, constraints: dict[int, Constraint], logits: torch.Tensor) -> None:
        self.errors: dict[int, Exception] = {}
        self._width = logits.shape[1]
        self._places: dict[int, int] = {}
        words = np.zeros((len(constraints), -(-self._width // 32)), dtype=np.uint32)
        for place, (row, constraint) in enumerate(constraints.items()):
            try:
                constraint.fill(words[place])
                self._places[row] = place
            except Exception as e:  # one row's schema that leads nowhere must not fail the others
                self.errors[row] = e
        self._words = words
        self._on_device = (
            None if logits.device.type == "cpu" else torch.from_numpy(words.view(np.int32)).to(logits.device)
        )

    def apply(self, logits: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """`logits` of these rows, float [rows, width], with forbidden tokens at minus infinity, in place."""
        held = [k for k, row in enumerate(rows) if row in self._places]
        places = [self._places[rows[k]] for k in held]
        if len(held) == len(rows) and places:
            return logits.masked_fill_(self._forbidden(places), -torch.inf)
        if places:
            index = torch.tensor(held, device=logits.device)
            logits[index] = logits[index].masked_fill_(self._forbidden(places), -torch.inf)
        return logits

    def _forbidden(self, places: list[int]) -> torch.Tensor:
        """bool [places, width]"""
        if self._on_device is None:
            return torch.from_numpy(unpacked(~self._words[places], self._width))
        words = self._on_device[torch.tensor(places, device=self._on_device.device)]
        shifts = torch.arange(32, dtype=torch.int32, device=words.device)
        return ((words[:, :, None] >> shifts) & 1).view(len(places), -1)[:, : self._width] == 0
