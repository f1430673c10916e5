"""Linear layers over few tokens: W xᵀ instead of x Wᵀ, the same sums.

Decoding multiplies each weight matrix by a few tokens. For this shape MKL is faster with the weight as the left factor.

It pays in benchmarks/engine/small_batch_linear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MIN_TOKENS, MAX_TOKENS = 5, 48
"""Tokens of a pass for which W xᵀ is the faster product."""


class SmallBatchLinear(torch.nn.Linear):
    """A linear layer over the weight of another one, with a transposed product for few tokens."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias  # the same parameters: tied weights stay tied
        self.train(layer.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if MIN_TOKENS <= x.numel() // self.in_features <= MAX_TOKENS:
            return transposed_linear(x, self.weight, self.bias)
        return super().forward(x)


def transposed_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """x (…, in), weight (out, in), bias (out) to (…, out), contiguous."""
    columns = x.reshape(-1, x.shape[-1]).t()  # (in, tokens)
    product = weight @ columns if bias is None else torch.addmm(bias[:, None], weight, columns)  # (out, tokens)
    return product.t().contiguous().view(*x.shape[:-1], len(weight))


def use_small_batch_linear(model: PreTrainedModel) -> None:
    """Replace the plain linear layers of `model` where the transposed product is faster: float32 on a CPU with MKL."""
    if model.device.type != "cpu" or not torch.backends.mkl.is_available():
        return
    for path, layer in list(model.named_modules()):
        # A subclass, such as a quantised layer, computes in its own way.
        if type(layer) is torch.nn.Linear and layer.weight.dtype == torch.float32:
            model.set_submodule(path, SmallBatchLinear(layer))
