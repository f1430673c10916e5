"""BOFT's layers in a server: PEFT builds a rotation, a product of dense matrices, in every pass; frozen, once is
enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.boft.layer import Linear


def cache_rotations(model: torch.nn.Module) -> None:
    """Let each BOFT layer of `model` keep the rotation of its adapters. Their weights must not change any more."""
    for layer in model.modules():
        if isinstance(layer, Linear) and "forward" not in vars(layer):
            layer.forward = _with_cache(layer, layer.forward)  # type: ignore[method-assign]


def _with_cache(layer: Linear, forward: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    cache: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    """By adapter: rotation (in, in) and scale (out)."""

    def cached_forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        active = layer.active_adapters  # none, where an adapter that only other layers have is left
        if layer.disable_adapters or len(active) != 1 or active[0] not in layer.boft_R:
            return forward(x, *args, **kwargs)
        name = active[0]
        if name not in cache:
            for removed in set(cache) - set(layer.boft_R):
                del cache[removed]
            rotation, scale = layer.get_delta_weight(name)
            cache[name] = rotation.to(x.dtype), scale.to(x.dtype).squeeze(-1)
        rotation, scale = cache[name]
        y, bias = layer.base_layer(x @ rotation, *args, **kwargs), layer.base_layer.bias
        return y * scale if bias is None else (y - bias) * scale + bias

    return cached_forward


__all__ = ["cache_rotations"]
