"""Memory: how much states may take, and what running out of it looks like."""

from __future__ import annotations

from typing import Any

import torch

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError, RuntimeError)
"""What may be raised without the memory; `out_of_memory` tells which of them is meant."""


def out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def free_memory(device: torch.device) -> int:
    """Bytes that states may take."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * 0.8)
    import psutil

    return int(psutil.virtual_memory().available * 0.5)


def state_bytes(model: Any) -> int:
    """Bytes of keys and values per token."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


__all__ = ["OUT_OF_MEMORY", "free_memory", "out_of_memory", "state_bytes"]
