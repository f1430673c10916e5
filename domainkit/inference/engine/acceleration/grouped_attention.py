"""Grouped-query attention over many rows without copying keys and values once for every query head.

Under a mask, transformers' "sdpa" repeats them (only single tokens are spared): behind 800 shared tokens that copying took longer
than all matrix products together. The query heads of one key head are laid end to end instead, as more queries of that head:
the same products, and the keys are read as they lie. Rows may stand behind shared prefixes (cascade.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from domainkit.inference.engine.acceleration.shared_prefix_attention import Cascade

GROUPED = "domainkit_grouped"
CASCADE = "_domainkit_cascade"
"""Where a mask carries the prefixes that its rows stand behind: every layer gets the mask, and not every model passes more on."""


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query (B, H, L, D), key and value (B, K, W, D), mask (B, 1, L, W) to (B, L, H, D)."""
    shares = query.shape[1] // key.shape[1]
    cascade: Cascade | None = getattr(attention_mask, CASCADE, None)
    special = any(kwargs.get(name) is not None for name in ("position_bias", "softcap", "cache"))
    if (shares == 1 and cascade is None) or attention_mask is None or attention_mask.shape[1] != 1 or special:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    rows, heads, length, size = query.shape
    laid = query.reshape(rows, heads // shares, shares * length, size)
    mask = _for_all(attention_mask, shares)
    if cascade is not None:
        found = cascade.attend(module.layer_idx, laid, key, value, mask, scaling)  # type: ignore[arg-type]
    else:
        found = scaled_dot_product_attention(laid, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return found.reshape(rows, heads, length, -1).transpose(1, 2).contiguous(), None


def _for_all(mask: torch.Tensor, shares: int) -> torch.Tensor:
    """The mask once for each query head of a key head; made for the first layer and kept with the mask for the others."""
    known = getattr(mask, "_domainkit_laid", None)
    if known is None or known.shape[2] != shares * mask.shape[2]:
        known = mask if mask.shape[2] == 1 else mask.repeat(1, 1, shares, 1)
        mask._domainkit_laid = known  # type: ignore[attr-defined]
    return known


def use_grouped(model: Any) -> bool:
    """Let the model attend so, where it uses "sdpa"; whether it now does."""
    config = model.config.get_text_config()
    if config._attn_implementation != "sdpa" or not model._can_set_attn_implementation():
        return False
    model.set_attn_implementation(GROUPED)
    return True


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, sdpa_mask)

__all__ = ["CASCADE", "GROUPED", "grouped_attention", "use_grouped"]
