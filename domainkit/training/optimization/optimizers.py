"""Optimizers by name, and the schedule of their learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch.optim import SGD, AdamW, Optimizer

from domainkit.adapters.adaptation import MethodHooks, ParameterGroup
from domainkit.errors import MachineError
from domainkit.training.config import AdapterConfig

NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")
"""Names of weights that are never decayed, as in transformers' Trainer: biases and norms."""


def make_optimizer(
    model: torch.nn.Module, trainable: Mapping[str, torch.nn.Parameter], config: AdapterConfig, hooks: MethodHooks
) -> Optimizer:
    """The optimizer that `config` names, over the method's own parameter groups or the two usual ones."""
    assert config.learning_rate is not None
    groups = hooks.parameter_groups(dict(trainable), config.learning_rate)
    if groups is None:
        groups = _decay_groups(model, trainable, config.weight_decay)
    else:
        groups = [{**group, "weight_decay": config.weight_decay} for group in groups]
    optimizer = _build(config.optimizer, groups, config.learning_rate, next(iter(trainable.values())).device)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _decay_groups(
    model: torch.nn.Module, trainable: Mapping[str, torch.nn.Parameter], weight_decay: float
) -> list[ParameterGroup]:
    """Matrices with weight decay; biases and norms without."""
    in_norms = {
        parameter
        for module in model.modules()
        if isinstance(module, torch.nn.LayerNorm)
        for parameter in module.parameters()
    }
    plain = {name for name, p in trainable.items() if p in in_norms or NO_DECAY.search(name.lower())}
    return [
        {"params": [p for name, p in trainable.items() if name not in plain], "weight_decay": weight_decay},
        {"params": [p for name, p in trainable.items() if name in plain], "weight_decay": 0.0},
    ]


def _build(name: str, groups: list[ParameterGroup], rate: float, device: torch.device) -> Optimizer:
    if name == "adamw":
        return AdamW(groups, lr=rate, betas=(0.9, 0.999), eps=1e-8, fused=True)
    if name == "sgd":
        return SGD(groups, lr=rate)
    if name == "adafactor":
        from transformers.optimization import Adafactor

        # A fixed rate, as the other optimizers have: Adafactor's own schedule would replace the configured one.
        return Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False)
    try:
        from bitsandbytes.optim import AdamW as BitsAndBytesAdamW
    except ImportError as e:
        raise MachineError(
            f"optimizer={name} needs the package bitsandbytes, which cannot be loaded: {e}",
            next_step="pip install bitsandbytes, or set optimizer=adamw",
        ) from e
    return BitsAndBytesAdamW(
        groups,
        lr=rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        optim_bits=8 if name.endswith("8bit") else 32,
        # Pages move optimizer state from GPU to main memory. Without a GPU there is nothing to move.
        is_paged=name.startswith("paged") and device.type == "cuda",
    )


def rate_factor(step: int, steps: int, warmup_ratio: float, schedule: Literal["cosine", "linear", "constant"]) -> float:
    """Factor on the peak learning rate at 0-based `step`: linear warm-up, then the schedule's decay towards 0.

    The rate is never exactly 0 within a run, because such a step would change nothing.
    """
    warmup = math.ceil(warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, steps - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return 1.0 if schedule == "constant" else max(0.0, 1 - progress)


def set_learning_rate(optimizer: Optimizer, factor: float) -> float:
    """Scale every group's peak rate by `factor`; return the rate of the first group."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])
