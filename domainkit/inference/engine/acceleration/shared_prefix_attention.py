"""Shared-prefix attention, also called cascade attention: a prefix that several rows share is stored once, and all
their queries attend to it in one product.

Attention to the prefix and attention to the rest are computed apart and joined by their log-sum-exps. This gives the
softmax over both (Juravsky et al. 2024, "Hydragen", arXiv 2402.05099, section 3.1).

It pays in benchmarks/chat_model/throughput.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from domainkit.inference.engine.acceleration.row_index import row_index
from domainkit.models.memory import KVState

MIN_COLUMNS_SAVED = 2048
"""Columns of the KV cache that sharing must save. For fewer, the second attention of each layer costs more."""


@dataclass(eq=False, slots=True)
class SharedPrefix:
    """A prefix in the KV cache format, outside of the slots of the sequences that share it."""

    state: KVState
    tokens: int
    """Tokens of the prefix, without the virtual tokens before them."""
    columns: int
    """Columns of `state` that belong to the prefix: its tokens and the virtual tokens before them."""


class SharedPrefixAttention:
    """Attention of one pass whose rows continue shared prefixes."""

    def __init__(self, prefixes: Sequence[SharedPrefix | None], device: torch.device) -> None:
        """`prefixes[i]` is the prefix of row i, None for a row that has all its keys in its own slot."""
        rows: dict[SharedPrefix, list[int]] = {}
        for i, prefix in enumerate(prefixes):
            if prefix is not None:
                rows.setdefault(prefix, []).append(i)
        self._groups = [(row_index(members, device), prefix) for prefix, members in rows.items()]
        self.layers_done = 0

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor,
        scale: float | None,
    ) -> torch.Tensor:
        """Attention (B, K, L, D) of `query` (B, K, L, D) to the row's prefix, and to `key` and `value` (B, K, W, D)
        under the additive `mask` (B, 1, L, W)."""
        output, log_sum = attention_with_log_sum(query, key, value, mask, scale)
        for rows, prefix in self._groups:
            keys, values = (t[None, :, : prefix.columns] for t in prefix.state[layer])  # (1, K, columns, D)
            queries = query[rows].transpose(0, 1)  # (K, rows, L, D)
            shape = queries.shape[:3]
            # No mask: every query comes after the whole prefix. So the queries of all rows can be those of one row.
            queries = queries.reshape(1, shape[0], -1, query.shape[3])  # (1, K, rows · L, D)
            prefix_output, prefix_log_sum = attention_with_log_sum(queries, keys, values, None, scale)
            prefix_output = prefix_output.reshape(*shape, -1).transpose(0, 1)  # (rows, K, L, D)
            prefix_log_sum = prefix_log_sum.reshape(shape).transpose(0, 1)  # (rows, K, L)
            # exp(a) / (exp(a) + exp(b)) = sigmoid(a - b): the prefix's part of the whole softmax.
            prefix_part = torch.sigmoid(prefix_log_sum - log_sum[rows])
            output[rows] = torch.lerp(output[rows], prefix_output, prefix_part[..., None].to(output.dtype))
        self.layers_done += 1
        return output


def attention_with_log_sum(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention (B, H, L, D), and the logarithm of the softmax's denominator (B, H, L)."""
    # scaled_dot_product_attention calls this kernel too, but does not return the log-sum-exp.
    flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return flash(query, key, value, 0.0, False, attn_mask=mask, scale=scale)
