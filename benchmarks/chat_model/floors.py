"""A lower bound for the time of any engine: the least work for the prompts, at the measured speed of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def machine_speed(repeats: int = 5) -> dict[str, float]:
    """Best of `repeats`, in the dtype that answers are computed in: FLOP/s of a matrix product, and bytes/s of reading
    a matrix that is too large for the caches (matrix times vector)."""
    gpu = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32)
    n, m = (8192, 16384) if gpu else (2048, 12288)
    a, b = torch.randn(2, n, n, device=device, dtype=dtype)
    wide, x = torch.ones(m, m, device=device, dtype=dtype), torch.ones(m, device=device, dtype=dtype)
    product = min(_seconds(lambda: a @ b) for _ in range(repeats))
    read = min(_seconds(lambda: wide @ x) for _ in range(repeats))
    return {"flops_per_second": 2 * n**3 / product, "bytes_per_second": wide.nbytes / read}


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def least_work(
    config: PreTrainedConfig,
    prompts: Sequence[Sequence[int]],
    owners: Sequence[Hashable],
    out: Sequence[int],
    rank: int,
) -> dict[str, float]:
    """FLOPs and bytes that no engine can save.

    Every distinct prefix of an owner (an adapter, or None for the base) is read once. Then out[i] - 1 tokens of each
    row are decoded, all rows in one batch. Each step reads the weights once, and the keys and values of every
    distinct prefix once. `rank` is the LoRA rank of the adapters.
    """
    width, layers, inner = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    head = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, keys = head * config.num_attention_heads, head * config.num_key_value_heads
    shapes = (  # (in, out) of the linear layers of one block
        [(width, queries), (width, keys), (width, keys), (queries, width)] + [(width, inner)] * 2 + [(inner, width)]
    )
    weights = layers * sum(i * o for i, o in shapes)
    adapter = layers * sum(rank * (i + o) for i, o in shapes)
    itemsize = 2 if torch.cuda.is_available() else 4

    def token(context: int, owner: Hashable) -> float:
        attention = 4 * layers * queries * context
        return 2 * (weights + (adapter if owner is not None else 0)) + attention

    prefixes = [
        [(owner, tuple(prompt[:n])) for n in range(1, len(prompt) + 1)]
        for owner, prompt in zip(owners, prompts, strict=True)
    ]
    lengths = {prefix: len(prefix[1]) for row in prefixes for prefix in row}
    steps = max(out, default=1) - 1
    vocabulary = 2 * config.vocab_size * width
    prefill = sum(token(n, prefix[0]) for prefix, n in lengths.items()) + len(prompts) * vocabulary
    decoded = [(len(p) + k, owner) for p, owner, n in zip(prompts, owners, out, strict=True) for k in range(1, n)]
    decode = sum(token(n, owner) + vocabulary for n, owner in decoded)
    parameters = weights + config.vocab_size * width + adapter * len({o for o in owners if o is not None})
    kv_columns = 0  # columns of keys and values that the steps read; a prefix of several rows counts once in a step
    for k in range(1, steps + 1):
        running = [row for row, n in zip(prefixes, out, strict=True) if n > k]
        kv_columns += len(set().union(*running)) + k * len(running)
    stream = itemsize * (steps * parameters + 2 * layers * keys * kv_columns)
    return {
        "tokens_to_read": sum(map(len, prompts)),
        "distinct_tokens_to_read": len(lengths),
        "prefill_flops": prefill,
        "decode_flops": decode,
        "decode_bytes": stream,
    }


def floor_seconds(work: dict[str, float], speed: dict[str, float]) -> dict[str, float]:
    """Seconds at the machine's best. Arithmetic bounds the reading of prompts; arithmetic or memory bounds decoding."""
    prefill = work["prefill_flops"] / speed["flops_per_second"]
    arithmetic = work["decode_flops"] / speed["flops_per_second"]
    memory = work["decode_bytes"] / speed["bytes_per_second"]
    return {
        "gemm": prefill + arithmetic,
        "prefill": prefill,
        "decode_arithmetic": arithmetic,
        "decode_memory": memory,
        "all": prefill + max(arithmetic, memory),
    }
