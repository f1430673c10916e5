"""Bases whose rotary positions change with the length of a sequence (LongRoPE: Phi-3-128k, Phi-4-mini;
`models/language_model.py` reads where).

transformers chooses the frequencies of a pass by its largest position, for all rows and all new keys. So rows on both
sides of the boundary must not share a pass, and a row that crosses it is read again from its start: its stored keys
have the frequencies of the other side. This is also what `generate` of these models does for one sequence.
"""

from __future__ import annotations

from dataclasses import replace

from domainkit.inference.engine.batching import Chunk


def is_beyond(chunk: Chunk, boundary: int | None) -> bool:
    """Whether the sequence is longer than the boundary after this chunk."""
    end = chunk.slot.n_virtual + chunk.start + len(chunk.tokens)
    return boundary is not None and end > boundary


def whole_if_crossing(chunk: Chunk, boundary: int | None) -> Chunk:
    """The chunk; from the start of its sequence when the stored keys are of the other side."""
    if chunk.start == 0 or is_beyond(chunk, boundary) == chunk.slot.beyond_boundary:
        return chunk
    return replace(chunk, tokens=[*chunk.slot.tokens[: chunk.start], *chunk.tokens], start=0)
