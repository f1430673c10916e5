"""Sampling: the next token of one answer, by that answer's own random numbers, alone or in company.

Company moves logits by rounding, so a draw also tells whether rounding could have moved it; the scheduler then has the logits
computed again with nobody beside them. Drawing is by Gumbel noise (Gumbel 1954; arXiv 1411.0030): the largest of logit plus
temperature times noise is distributed as softmax(logits / temperature), and only a near tie of the two largest can be
overturned. Of a cumulative distribution, rounding moves every border.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import torch

NEAR = 3e-5
"""Differences of logits, as a share of the row's spread (largest less smallest), that float32 sums in another order are taken to
overturn: far more than company was seen to move (benchmarks/batch_invariance.py)."""


@dataclass(frozen=True, slots=True)
class Drawn:
    index: int
    sure: bool
    """Moving every logit by less than `near` / 2 would give the same index."""


def generator(seed: int | None) -> np.random.Generator:
    """An answer's own random numbers; None draws a fresh seed."""
    return np.random.Generator(np.random.SFC64(secrets.randbits(63) if seed is None else seed % 2**64))


def gumbel(n: int, source: np.random.Generator) -> torch.Tensor:
    """Standard Gumbel noise, float64 [n]. In float32 one exponential in eight million is zero: noise without end, which in a
    vocabulary would draw some token or other, a forbidden one too, once in two hundred steps."""
    return torch.from_numpy(source.standard_exponential(n)).log_().neg_()


def spread(logits: torch.Tensor) -> torch.Tensor:
    """Largest less smallest logit of each row: [..., n] to [...]."""
    return logits.amax(-1) - logits.amin(-1)


def draw(
    logits: torch.Tensor, temperature: float, top_p: float, noise: torch.Tensor | None = None, near: float = 0.0
) -> Drawn:
    """An index drawn from softmax(logits / temperature), from its most probable `top_p` mass; temperature 0 is the argmax.

    `logits` is float [n], at least one of them finite; `noise` float64 [n], not needed at temperature 0; `near` in logits.
    """
    if temperature <= 0 or noise is None:
        return _largest(logits, near)
    logits = logits.detach().to("cpu", torch.float64)
    scores = logits + temperature * noise
    if top_p >= 1:
        return _largest(scores, near)
    return _within(logits, scores, torch.softmax(logits / temperature, -1), top_p, near)


def _largest(scores: torch.Tensor, near: float) -> Drawn:
    index = int(scores.argmax())
    if not near or scores.numel() == 1:
        return Drawn(index, True)
    first, second = scores.topk(2).values.tolist()
    return Drawn(index, first - second >= near)


def _within(logits: torch.Tensor, scores: torch.Tensor, p: torch.Tensor, top_p: float, near: float) -> Drawn:
    """The largest score among the fewest most probable entries that together reach `top_p` (arXiv 1904.09751)."""
    for k in (256, len(p)):  # sorting a whole vocabulary is rarely needed
        ordered, places = torch.topk(logits, min(k, len(p)))
        mass = p[places].cumsum(0)
        last, far = (min(int((mass < m).sum()), len(mass) - 1) for m in (top_p, top_p + near))
        if k >= len(p) or (far + 1 < k and ordered[-1] < ordered[far] - near):
            break
    scores = scores[places]
    inside = _largest(scores[: last + 1], 0.0).index
    if not near:
        return Drawn(int(places[inside]), True)
    # Sure is what wins against all that could be inside, and is inside whatever rounding does to the order and the masses.
    won = _largest(scores[ordered >= ordered[far] - near], near)
    others = int((ordered > ordered[inside] - near).sum())
    before = float(mass[others - 1] - p[places[inside]])
    return Drawn(int(places[inside]), won.sure and won.index == inside and before < top_p - near)


__all__ = ["NEAR", "Drawn", "draw", "generator", "gumbel", "spread"]
