"""Memory: how much states may take, and what running out of it looks like."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from typing import Any

import torch

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError, RuntimeError)
"""What may be raised without the memory; `out_of_memory` tells which of them is meant."""


KVState = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [heads, tokens, width]."""


def out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def free_bytes(device: torch.device) -> int:
    """Bytes of the device's memory that nobody uses now."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def free_memory(device: torch.device) -> int:
    """Bytes that states may take."""
    return int(free_bytes(device) * (0.8 if device.type == "cuda" else 0.5))


def state_bytes(model: Any) -> int:
    """Bytes of keys and values per token."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def return_freed_memory() -> None:
    """To the system what glibc keeps for itself once it is freed, in the heap of each thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


__all__ = [
    "OUT_OF_MEMORY",
    "KVState",
    "free_bytes",
    "free_memory",
    "out_of_memory",
    "return_freed_memory",
    "state_bytes",
]
