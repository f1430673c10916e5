"""Linear layers over few tokens, as decoding asks for: W xᵀ instead of x Wᵀ, the same sums.

On a CPU, MKL takes up to twice as long for the second form; `benchmarks/few_rows.py` measures both.
"""

from __future__ import annotations

from typing import Any

import torch

LEAST, MOST = 5, 48
"""Tokens of a pass for which the other form is the faster one."""


class FewRowsLinear(torch.nn.Linear):
    """torch.nn.Linear, with the order of its factors turned for few tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        few = LEAST <= x.numel() // self.in_features <= MOST
        return FewRowsLinear.turned(self, x) if few else super().forward(x)

    @staticmethod
    def turned(layer: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        """(…, in) to (…, out), contiguous."""
        given = x.reshape(-1, layer.in_features).t()
        found = layer.weight @ given if layer.bias is None else torch.addmm(layer.bias[:, None], layer.weight, given)
        return found.t().contiguous().view(*x.shape[:-1], layer.out_features)


def use_few_rows(model: Any) -> None:
    """Let the model's plain linear layers compute so, where that is faster: float32 on a CPU with MKL."""
    if model.device.type != "cpu" or not torch.backends.mkl.is_available():
        return
    for layer in model.modules():
        if type(layer) is torch.nn.Linear and layer.weight.dtype == torch.float32:
            layer.__class__ = FewRowsLinear


__all__ = ["FewRowsLinear", "use_few_rows"]
