"""Forced answers: the probability that a model gives each token of answers that are given to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from domainkit.training.batches import pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives.supervised import supervised_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel


@dataclass(frozen=True, slots=True)
class Forced:
    """For each answer and each of its tokens: the natural logarithm of its probability, and the likeliest token."""

    logprobs: tuple[tuple[float, ...], ...]
    choices: tuple[tuple[int, ...], ...]


@torch.no_grad()
def force(model: PreTrainedModel | AdaptedModel, rows: Sequence[TokenizedExample], pad_id: int) -> Forced:
    """`model` on the supervised tokens of `rows`, one row a pass, as an engine without batches computes them."""
    device: Any = model.device
    logprobs, choices = [], []
    for row in rows:
        one = pad([row], pad_id).to(device)
        scores = supervised_logits(model, one).log_softmax(-1)
        taken = scores.gather(1, one.targets.unsqueeze(1)).squeeze(1)
        logprobs.append(tuple(taken.tolist()))
        choices.append(tuple(scores.argmax(-1).tolist()))
    return Forced(tuple(logprobs), tuple(choices))


def mean_difference(a: Forced, b: Forced) -> float:
    """Mean over all tokens of the absolute difference of their logarithms, in nats."""
    pairs = [abs(x - y) for p, q in zip(a.logprobs, b.logprobs, strict=True) for x, y in zip(p, q, strict=True)]
    return sum(pairs) / len(pairs)


def agreement(a: Forced, b: Forced, *, first_only: bool = False) -> float:
    """Share of the tokens, or of the answers' first tokens, at which both find the same token likeliest."""
    last = 1 if first_only else None
    pairs = [x == y for p, q in zip(a.choices, b.choices, strict=True) for x, y in zip(p[:last], q[:last], strict=True)]
    return sum(pairs) / len(pairs)
