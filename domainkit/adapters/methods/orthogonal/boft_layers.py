"""BOFT's layers in a server: PEFT builds the rotation, a product of dense matrices, in each pass; once is enough."""

from __future__ import annotations

from typing import cast
from weakref import WeakKeyDictionary

import torch
from peft.tuners.boft.layer import Linear

Rotations = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""By adapter: rotation (in, in) and scale (out)."""
_FROZEN: WeakKeyDictionary[Linear, Rotations] = WeakKeyDictionary()
"""The layers whose weights do not change any more."""
_forward = Linear.forward


def cache_rotations(model: torch.nn.Module) -> None:
    """Keep the rotations of the adapters in each BOFT layer of `model`. Their weights must not change any more."""
    for layer in model.modules():
        if isinstance(layer, Linear):
            _FROZEN.setdefault(layer, {})


def cached_forward(self: Linear, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
    """PEFT's forward; with the rotation that was built before where the layer is frozen and has one active adapter."""
    cache, active = _FROZEN.get(self), self.active_adapters
    # No adapter is active where one is left that only other layers have.
    if cache is None or self.disable_adapters or len(active) != 1 or active[0] not in self.boft_R:
        return _forward(self, x, *args, **kwargs)
    name = active[0]
    if name not in cache:
        for removed in set(cache) - set(self.boft_R):
            del cache[removed]
        rotation, scale = self.get_delta_weight(name)
        cache[name] = rotation.to(x.dtype), scale.to(x.dtype).squeeze(-1)
    rotation, scale = cache[name]
    base = cast("torch.nn.Linear", self.base_layer)
    y, bias = base(x @ rotation, *args, **kwargs), base.bias
    return y * scale if bias is None else (y - bias) * scale + bias
