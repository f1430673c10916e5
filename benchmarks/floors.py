"""What this machine can do at best, measured, and the least work that answering some prompts takes: the floor under any engine."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from typing import Any

import torch


def machine_speed(repeats: int = 5) -> dict[str, float]:
    """Best of `repeats`: matrix product in FLOP/s, and bytes/s of reading a matrix too large for the caches (matrix times
    vector), both in the dtype that answers are computed in."""
    gpu = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32)
    n, m = (8192, 16384) if gpu else (2048, 12288)
    a, b = torch.randn(2, n, n, device=device, dtype=dtype)
    wide, x = torch.ones(m, m, device=device, dtype=dtype), torch.ones(m, device=device, dtype=dtype)
    product = min(_seconds(lambda: a @ b) for _ in range(repeats))
    read = min(_seconds(lambda: wide @ x) for _ in range(repeats))
    return {"flops_per_second": 2 * n**3 / product, "bytes_per_second": wide.nbytes / read}


def _seconds(work: Any) -> float:
    begin = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def least_work(config: Any, prompts: Sequence[Sequence[int]], owners: Sequence[Hashable], out: Sequence[int], rank: int) -> dict[str, float]:  # fmt: skip
    """FLOPs and bytes that cannot be saved: every distinct beginning (per owner) is read once, then out[i]-1 tokens decoded, all
    rows in one batch; each step reads the weights once, and the keys and values of every distinct beginning once. `rank` is the
    LoRA rank of rows whose owner is not None.
    """
    width, layers, inner = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    head = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, pairs = head * config.num_attention_heads, head * config.num_key_value_heads
    shapes = (
        [(width, queries), (width, pairs), (width, pairs), (queries, width)] + [(width, inner)] * 2 + [(inner, width)]
    )
    weights = layers * sum(i * o for i, o in shapes)
    adapter = layers * sum(rank * (i + o) for i, o in shapes)
    itemsize = 2 if torch.cuda.is_available() else 4

    def token(context: int, owner: Hashable) -> float:
        attention = 4 * layers * queries * context
        return 2 * (weights + (adapter if owner is not None else 0)) + attention

    beginnings = [
        [(owner, tuple(prompt[:n])) for n in range(1, len(prompt) + 1)]
        for owner, prompt in zip(owners, prompts, strict=True)
    ]
    read = {key: len(key[1]) for keys in beginnings for key in keys}
    passes = max(out, default=1) - 1
    vocabulary = 2 * config.vocab_size * width
    prefill = sum(token(n, key[0]) for key, n in read.items()) + len(prompts) * vocabulary
    steps = [(len(p) + k, owner) for p, owner, n in zip(prompts, owners, out, strict=True) for k in range(1, n)]
    decode = sum(token(n, owner) + vocabulary for n, owner in steps)
    held = weights + config.vocab_size * width + adapter * len({o for o in owners if o is not None})
    seen = 0  # keys and values that a step has to read, over all steps: what rows begin with in common once
    for k in range(1, passes + 1):
        running = [keys for keys, n in zip(beginnings, out, strict=True) if n > k]
        seen += len(set().union(*running)) + k * len(running)
    stream = itemsize * (passes * held + 2 * layers * pairs * seen)
    return {
        "tokens_to_read": sum(map(len, prompts)),
        "distinct_tokens_to_read": len(read),
        "prefill_flops": prefill,
        "decode_flops": decode,
        "decode_bytes": stream,
    }


def floor_seconds(work: dict[str, float], speed: dict[str, float]) -> dict[str, float]:
    """Seconds at the machine's best: reading prompts is bound by arithmetic, each decoding step by arithmetic or by memory."""
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
