"""Guards against fine-tunes that fail silently: each raises TrainingError with the next step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from domainkit.errors import TrainingError
from domainkit.training.optimization.checkpoints import last_checkpoint

GRADIENT_STEPS = 3
"""Steps within which every adapter tensor must have had a gradient: LoRA's A has none until B has moved."""


def check_finite(loss: float, norm: float, step: int, steps: int, rate: float, peak_rate: float, work: Path) -> None:
    """The loss and the gradient norm are numbers. `rate` is the step's learning rate."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    raise TrainingError(
        f"the {'gradient' if math.isfinite(loss) else 'loss'} is not a number at step {step} of {steps}"
        f" (learning rate {rate:g}); the weights before it are {_saved_in(work)}",
        next_step=f"try half the learning rate ({peak_rate / 2:g}), a longer warmup_ratio, or a lower max_grad_norm",
    )


def _saved_in(work: Path) -> str:
    checkpoint = last_checkpoint(work)
    return f"kept in {checkpoint}" if checkpoint else "not saved: there was no checkpoint yet"


@dataclass
class GradientGuard:
    """Every adapter tensor is in the graph at the first step, and has had a gradient other than 0 by the third."""

    trainable: Mapping[str, torch.nn.Parameter]
    reached: set[str] = field(default_factory=set)
    """Tensors that have had a gradient other than 0."""

    def check(self, step: int) -> None:
        if step > GRADIENT_STEPS:
            return
        absent = [name for name, p in self.trainable.items() if p.grad is None]
        self.reached |= {n for n, p in self.trainable.items() if p.grad is not None and bool(p.grad.any())}
        idle = [name for name in self.trainable if name not in self.reached]
        if absent or (idle and step == GRADIENT_STEPS):
            names = absent or idle
            raise TrainingError(
                f"{len(names)} of {len(self.trainable)} adapter tensors got no gradient by step {step}, so they would"
                f" never learn: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}",
                next_step="choose other target layers, or turn gradient_checkpointing off",
            )


def trainable_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the trainable weights, in main memory."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def check_weights_changed(
    model: torch.nn.Module, fresh: Mapping[str, torch.Tensor], *, unchanged: str = "as the base does"
) -> None:
    """Every trained weight is a number, and some differ from `fresh`.

    Otherwise the adapter would load without any error and answer `unchanged`.
    """
    trained = trainable_weights(model)
    broken = [name for name, w in trained.items() if not bool(torch.isfinite(w).all())]
    if broken:
        raise TrainingError(
            f"the trained weights hold values that are not numbers: {', '.join(broken[:3])}",
            next_step="lower the learning rate",
        )
    if all(torch.equal(w, fresh[name]) for name, w in trained.items()):
        raise TrainingError(
            f"training changed no weight, so the adapter would answer exactly {unchanged}",
            next_step="raise the learning rate or train for more epochs",
        )


def check_answers_changed(before: torch.Tensor, after: torch.Tensor) -> None:
    """The logits of the trained adapter differ from those of the fresh one: weights may move without any effect."""
    if torch.equal(before, after):
        raise TrainingError(
            "training changed weights but not one answer, so the adapter would answer exactly as the base does",
            next_step="raise the learning rate, train for more epochs, or choose other target layers",
        )
