"""Memory: what a KV cache takes, how much of it there is, and what running out looks like."""

from __future__ import annotations

import pytest
import torch

from domainkit.models.load import load_base
from domainkit.models.memory import free_bytes, free_memory, out_of_memory, state_bytes


@torch.inference_mode()
def test_state_bytes_are_those_of_a_real_cache(tiny_base: str) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    cache = model(torch.arange(10, 17)[None], use_cache=True).past_key_values
    assert state_bytes(model) * 7 == sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)


def test_a_part_of_the_free_memory_is_for_caches() -> None:
    cpu = torch.device("cpu")
    assert 0 < free_memory(cpu) < free_bytes(cpu)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"), True),
        (RuntimeError("shapes do not match"), False),
    ],
)
def test_out_of_memory_is_distinguished_from_other_errors(error: BaseException, expected: bool) -> None:
    assert out_of_memory(error) == expected
