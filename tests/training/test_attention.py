"""Segmented attention is masked attention."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.training.attention import lay_segments, segmented_attention
from domainkit.training.batches import tree_mask


@settings(max_examples=50, deadline=None)
@given(prefix=st.integers(0, 5), lengths=st.lists(st.integers(0, 9), min_size=1, max_size=7))
def test_segmented_attention_equals_masked_attention(prefix: int, lengths: list[int]) -> None:
    width = prefix + sum(lengths)
    if not width:
        return
    module = torch.nn.Identity()
    module.num_key_value_groups = 2  # type: ignore[assignment]
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, width, 8), torch.randn(1, 2, width, 8), torch.randn(1, 2, width, 8)
    mask = tree_mask(prefix, lengths, torch.float32)
    wanted, _ = segmented_attention(module, query, key, value, mask, scaling=0.3)
    found, _ = segmented_attention(module, query, key, value, None, scaling=0.3, segments=lay_segments(prefix, lengths))
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted, atol=1e-5)
