"""Bases whose rotary positions change with the length of a sequence (LongRoPE: Phi-3-128k, Phi-4-mini).

transformers chooses the frequencies of a pass by its largest position, for all rows and all new keys. So rows on both
sides of the boundary must not share a pass, and a row that crosses it is read again from its start: its stored keys
have the frequencies of the other side. This is also what `generate` of these models does for one sequence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from domainkit.inference.engine.batching import Chunk

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def rope_boundary(config: PreTrainedConfig) -> int | None:
    """The longest sequence that the first frequencies serve; None for bases with one set of them."""
    text = config.get_text_config()
    parameters = getattr(text, "rope_parameters", None) or {}
    kinds = [parameters, *(p for p in parameters.values() if isinstance(p, dict))]  # some have one for each layer type
    found = [
        kind.get("original_max_position_embeddings") or getattr(text, "original_max_position_embeddings", None)
        for kind in kinds
        if kind.get("rope_type") == "longrope"
    ]
    return min((int(limit) for limit in found if limit), default=None)


def is_beyond(chunk: Chunk, boundary: int | None) -> bool:
    """Whether the sequence is longer than the boundary after this chunk."""
    end = chunk.slot.n_virtual + chunk.start + len(chunk.tokens)
    return boundary is not None and end > boundary


def whole_if_crossing(chunk: Chunk, boundary: int | None) -> Chunk:
    """The chunk; from the start of its sequence when the stored keys are of the other side."""
    if chunk.start == 0 or is_beyond(chunk, boundary) == chunk.slot.beyond_boundary:
        return chunk
    return replace(chunk, tokens=[*chunk.slot.tokens[: chunk.start], *chunk.tokens], start=0)
