"""Sampling: the next token of one answer, from random numbers of its own.

A batch moves logits by rounding. So a sample also says whether rounding could have decided it (a near tie); the engine
then recomputes the logits without a batch.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
import torch

NEAR_TIE = 3e-5
"""Differences of logits that rounding in float32 may overturn, as a share of the logits' range (largest less smallest).
Far more than a batch was seen to move them (benchmarks/engine/batch_invariance.py)."""


@dataclass(frozen=True, slots=True)
class Sample:
    index: int
    near_tie: bool
    """Some change of every logit by less than half of the margin might give another index."""


def random_generator(seed: int | None) -> np.random.Generator:
    """An answer's own random numbers; None: from a fresh seed."""
    return np.random.Generator(np.random.SFC64(secrets.randbits(63) if seed is None else seed % 2**64))


def gumbel_noise(n: int, generator: np.random.Generator) -> torch.Tensor:
    """Standard Gumbel noise, float64 [n]."""
    # Not float32: there, one exponential in eight million is 0, and its noise infinite. Over a vocabulary, that would
    # draw an arbitrary token, even a forbidden one, once in two hundred steps.
    return torch.from_numpy(generator.standard_exponential(n)).log_().neg_()


def logit_range(logits: torch.Tensor) -> torch.Tensor:
    """Largest less smallest logit of each row: [..., n] to [...]."""
    return logits.amax(-1) - logits.amin(-1)


def near_tie_margin(logits: torch.Tensor) -> float:
    """Smaller differences among these logits, float [n], may be rounding."""
    return NEAR_TIE * float(logit_range(logits))


def near_ties(logits: torch.Tensor, best: torch.Tensor, margin: torch.Tensor) -> torch.Tensor:
    """bool [rows]: is the second largest of float [rows, n] within float `margin` [rows] of the largest, which is at
    long `best` [rows]?"""
    index = best[:, None]
    first = logits.gather(1, index)
    # Hiding the largest for a moment is many times as fast as topk(2).
    second = logits.scatter_(1, index, -torch.inf).amax(-1)
    logits.scatter_(1, index, first)
    return first[:, 0] - second < margin


def sample(
    logits: torch.Tensor, temperature: float, top_p: float, noise: torch.Tensor | None = None, margin: float = 0.0
) -> Sample:
    """Sample from softmax(logits / temperature), within its most probable `top_p` mass; temperature 0 is the argmax.

    `logits` is float [n], at least one of them finite; `noise` is Gumbel noise, float64 [n], not needed at
    temperature 0; `margin` is what rounding may change in logits.
    """
    if temperature <= 0 or noise is None:
        return _largest(logits, margin)
    logits = logits.detach().to("cpu", torch.float64)
    # The largest of logit + temperature · noise is distributed as softmax(logits / temperature) (Gumbel 1954; arXiv
    # 1411.0030). Only a near tie of the two largest can be overturned. With the usual inverse of the cumulative
    # distribution, rounding would move every border.
    scores = logits + temperature * noise
    if top_p >= 1:
        return _largest(scores, margin)
    return _largest_within_top_p(logits, scores, torch.softmax(logits / temperature, -1), top_p, margin)


def _largest(scores: torch.Tensor, margin: float) -> Sample:
    index = int(scores.argmax())
    if not margin or scores.numel() == 1:
        return Sample(index, near_tie=False)
    first, second = scores.topk(2).values.tolist()
    return Sample(index, near_tie=not first - second >= margin)


def _largest_within_top_p(
    logits: torch.Tensor, scores: torch.Tensor, p: torch.Tensor, top_p: float, margin: float
) -> Sample:
    """The largest score among the fewest most probable entries that together reach `top_p` (arXiv 1904.09751)."""
    for k in (256, len(p)):  # sorting a whole vocabulary is rarely needed
        ordered, indices = torch.topk(logits, min(k, len(p)))
        mass = p[indices].cumsum(0)
        last, last_possible = (min(int((mass < m).sum()), len(mass) - 1) for m in (top_p, top_p + margin))
        if k >= len(p) or (last_possible + 1 < k and ordered[-1] < ordered[last_possible] - margin):
            break
    scores = scores[indices]
    # All that equal the last one are inside, too: which of them a sort puts first may depend on the batch.
    winner = _largest(scores[ordered >= ordered[last]], 0.0).index
    if not margin:
        return Sample(int(indices[winner]), near_tie=False)
    # The winner is certain if it wins against all that could be inside, and is inside whatever rounding does.
    best_possible = _largest(scores[ordered >= ordered[last_possible] - margin], margin)
    n_before = int((ordered > ordered[winner] - margin).sum())
    mass_before = float(mass[n_before - 1] - p[indices[winner]])
    certain = not best_possible.near_tie and best_possible.index == winner and mass_before < top_p - margin
    return Sample(int(indices[winner]), near_tie=not certain)
