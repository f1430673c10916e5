"""Attention over a packed row, segment by segment: the common prefix once, then each example with the prefix and
itself.

A mask over the whole row gives the same numbers, but its cost grows with the square of the row; this grows with the
squares of the examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from domainkit.adapters.micro_batch import Segments
from domainkit.training.optimization.recomputed import recomputed

SEGMENTED = "domainkit_segmented"


def lay_segments(prefix: int, lengths: Sequence[int]) -> Segments:
    """Segments of `lengths`, in the row's order. A bucket's longest is less than twice its shortest: little padding."""
    starts = [prefix + sum(lengths[:i]) for i in range(len(lengths))]
    grouped: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        if length:
            grouped.setdefault(length.bit_length(), []).append(i)
    buckets, slot, base = [], {}, 0
    for members in grouped.values():
        width = max(lengths[i] for i in members)
        buckets.append(
            torch.tensor([[*range(starts[i], starts[i] + lengths[i]), *[0] * (width - lengths[i])] for i in members])
        )
        slot.update({i: base + n * width for n, i in enumerate(members)})
        base += len(members) * width
    order = [slot[i] + n for i, length in enumerate(lengths) for n in range(length)]
    return Segments(prefix, tuple(buckets), torch.tensor(order, dtype=torch.long))


def segmented_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    segments: Segments | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention interface: query (B, H, L, D), key and value (B, K, L, D) to (B, L, H, D)."""
    if segments is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
    shares = query.shape[1] // key.shape[1]

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return _attend(query, key, value, segments, shares=shares, dropout_p=dropout, scale=scaling)

    # Each segment has the prefix's keys and values again: they are made anew in the backward pass.
    return recomputed(attend, query, key, value), None


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments, *, shares: int, **options: Any
) -> torch.Tensor:
    if shares > 1:  # grouped-query attention
        key, value = key.repeat_interleave(shares, dim=1), value.repeat_interleave(shares, dim=1)
    head = segments.prefix
    shared = [t[:, :, :head] for t in (query, key, value)]
    outputs = []
    for bucket in segments.buckets:
        count, width = bucket.shape
        q, k, v = (t[0, :, bucket].transpose(0, 1) for t in (query, key, value))  # (S, H, M, D)
        if not head:
            attended = scaled_dot_product_attention(q, k, v, is_causal=True, **options)
        else:
            k, v = (torch.cat([s.expand(count, -1, -1, -1), t], dim=2) for s, t in zip(shared[1:], (k, v), strict=True))
            # Padded slots come last in their segment, so that causality alone keeps them from being seen.
            causal = torch.ones(width, width, dtype=torch.bool, device=q.device).tril_()
            attended = scaled_dot_product_attention(q, k, v, attn_mask=pad(causal, (head, 0), value=True), **options)
        outputs.append(attended.transpose(1, 2).reshape(count * width, *q.shape[1::2]))
    rest = torch.cat(outputs)[segments.order] if outputs else query.new_zeros(0, query.shape[1], query.shape[3])
    if not head:
        return rest[None]
    q, k, v = shared
    first = scaled_dot_product_attention(q, k, v, is_causal=True, **options)[0].transpose(0, 1)
    return torch.cat([first, rest])[None]


AttentionInterface.register(SEGMENTED, segmented_attention)
AttentionMaskInterface.register(SEGMENTED, sdpa_mask)
