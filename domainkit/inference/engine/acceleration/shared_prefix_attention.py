"""Cascade attention: what several rows begin with is held once, and all their queries attend to it in one product.

Attention to a shared prefix and attention to what follows it are computed apart and joined by their log-sum-exps, which gives
the softmax over both (Juravsky et al. 2024, "Hydragen", arXiv 2402.05099, section 3.1). Decoding then reads a prefix's keys and
values once a step instead of once a row, and they are not copied into every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from domainkit.inference.engine.acceleration.mixed_lora import places
from domainkit.models.memory import State

LEAST_SPARED = 2048
"""Columns that need not be held once more, which pay for the second attention of every layer."""


@dataclass(eq=False, slots=True)
class SharedPrefix:
    """The first `tokens` tokens, and the virtual ones before them, of a kept state: its first `columns` columns."""

    state: State
    tokens: int
    columns: int


class Cascade:
    """The prefixes that rows of one pass stand behind, None for a row that holds all of its own."""

    def __init__(self, prefixes: Sequence[SharedPrefix | None], device: torch.device) -> None:
        rows: dict[SharedPrefix, list[int]] = {}
        for i, prefix in enumerate(prefixes):
            if prefix is not None:
                rows.setdefault(prefix, []).append(i)
        self._groups = [(places(own, device), prefix) for prefix, own in rows.items()]
        self.layers = 0
        """Layers that have read them."""

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor,
        scale: float | None,
    ) -> torch.Tensor:
        """Attention of query (B, K, L, D) to its row's prefix and, under additive `mask` (B, 1, L, W), to key and value
        (B, K, W, D): (B, K, L, D)."""
        found, weight = attention_and_weight(query, key, value, mask, scale)
        for rows, prefix in self._groups:
            keys, values = (t[None, :, : prefix.columns] for t in prefix.state[layer])
            asked = query[rows].transpose(0, 1)  # (K, rows, L, D): all rows' queries as one row's
            shape = asked.shape[:3]
            theirs, their_weight = attention_and_weight(
                asked.reshape(1, shape[0], -1, query.shape[3]), keys, values, None, scale
            )
            theirs = theirs.reshape(*shape, -1).transpose(0, 1)
            part = torch.sigmoid(their_weight.reshape(shape).transpose(0, 1) - weight[rows])
            found[rows] = torch.lerp(found[rows], theirs, part[..., None].to(found.dtype))
        self.layers += 1
        return found


def attention_and_weight(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention (B, H, L, D), and the log of the sum of its exponentials (B, H, L)."""
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return flash(query, key, value, 0.0, False, attn_mask=mask, scale=scale)


__all__ = ["LEAST_SPARED", "Cascade", "SharedPrefix", "attention_and_weight"]
