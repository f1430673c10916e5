"""Accelerations of the engine. Each one only saves time or memory: without it, answers are the same up to rounding."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acceleration:
    """Which accelerations an engine uses. Each can be switched off alone."""

    shared_prefix_attention: bool = True
    """Store a prefix that several sequences share once, and attend to it for all of them in one product.
    Off: each sequence has a copy of the prefix in its own slot."""
    grouped_attention: bool = True
    """Read keys and values once for all query heads of their group. Off: transformers' "sdpa" attention."""
    small_batch_linear: bool = True
    """Compute W xᵀ in place of x Wᵀ in passes of few tokens. Off: torch.nn.Linear."""
    direct_passes: bool = True
    """Compute the blocks of a Llama-type decoder in one loop on a CPU. Off: through transformers' modules."""
    prompt_lookup: bool = True
    """Guess the next tokens of a single text from what it repeats, and check them in the same pass. Needs batch
    invariance. Off: each pass gives one token."""
    mixed_lora: bool = True
    """Sequences of different plain LoRA adapters share passes. Off: each adapter is a batch of its own."""
    batch_invariance: bool = True
    """Recompute near ties alone, so that a text does not depend on the batch. Off: rounding may decide them."""


ALL_ON = Acceleration()
ALL_OFF = Acceleration(
    shared_prefix_attention=False,
    grouped_attention=False,
    small_batch_linear=False,
    direct_passes=False,
    prompt_lookup=False,
    mixed_lora=False,
    batch_invariance=False,
)
