"""Counter noise: Gumbel noise that is a function of (seed, position, token), so that many rows get theirs at once, on
the device where their logits are, and each row the same noise in every batch.

The bits are those of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators",
section 5): a stream for each seed gives a key for each position, whose stream gives the bits of each token.
"""

from __future__ import annotations

import torch

WORD = 2**64
GAMMA = 0x9E3779B97F4A7C15
FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
SHIFTS = (30, 27, 31)


def stream_key(seed: int, position: int) -> int:
    """The key of one draw of an answer, 0 to 2⁶⁴ - 1."""
    return _mix(_mix(seed) + (position + 1) * GAMMA)


def _mix(z: int) -> int:
    z %= WORD
    for shift, factor in zip(SHIFTS, (*FACTORS, 1), strict=True):
        z = (z ^ (z >> shift)) * factor % WORD
    return z


def counter_gumbel(keys: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Standard Gumbel noise, float64 [rows, n], for keys int64 [rows, 1] and tokens int64 [n] or [rows, n]."""
    # int64 wraps around as uint64 does, but shifts copies of the sign in: the mask takes them out.
    z = (tokens + 1) * signed(GAMMA) + keys
    for shift, factor in zip(SHIFTS, (*FACTORS, 1), strict=True):
        z ^= (z >> shift).bitwise_and_(2 ** (64 - shift) - 1)
        if factor > 1:
            z *= signed(factor)
    # 52 bits and a half: neither 0 nor 1, whose noise would be infinite.
    uniform = (z >> 12).bitwise_and_(2**52 - 1).double().add_(0.5).mul_(2.0**-52)
    return uniform.log_().neg_().log_().neg_()


def signed(word: int) -> int:
    """The int64 of the same bits."""
    return word - WORD if word >= WORD // 2 else word
