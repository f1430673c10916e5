"""Batching: what one sequence has a forward pass read (a chunk), and which chunks share a pass (a batch)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace

from domainkit.inference.adapters.pool import NO_ADAPTER, LoadedAdapter, PassRow
from domainkit.inference.engine.kv_cache import CacheSlot

MAX_PROMPT_CHUNK = 1024
"""A longer prompt is read in parts, one at each step, so that running answers do not wait for it."""
MAX_LOGITS_ROWS = 2048
"""Most positions of one batch whose logits are computed. Each takes a row of vocabulary width."""
MAX_PADDING = {"cpu": 32, "cuda": 1024}
"""Padding tokens that cost less than one more pass over the weights."""


@dataclass(frozen=True, eq=False, slots=True)
class Chunk:
    """New tokens of one sequence for one forward pass. The runner that reads it advances the slot, nothing else."""

    slot: CacheSlot
    tokens: list[int]
    start: int
    """Position of the first token. The slot holds all tokens before it; what it holds from there on is overwritten."""
    logits_wanted: int = 1
    """Last tokens of the chunk whose logits are needed. At least 1: every pass computes those of the last token."""
    adapter: LoadedAdapter = NO_ADAPTER

    def pass_row(self) -> PassRow:
        """What adapters need to know about the chunk."""
        slot = self.slot
        return PassRow(self.adapter, self.start, len(self.tokens), slot.prompt_length, slot.n_encoded)

    def first(self, n_tokens: int) -> Chunk:
        """A part of the chunk from its first token on, without need of its logits."""
        return replace(self, tokens=self.tokens[:n_tokens], logits_wanted=1)


def make_batches(
    chunks: Iterable[Chunk], batch_key: Callable[[Chunk], Hashable], token_budget: int, device_type: str
) -> Iterator[list[Chunk]]:
    """Group chunks of the same `batch_key` into batches of at most `token_budget` tokens, padding included."""
    groups: dict[Hashable, list[Chunk]] = {}
    for chunk in chunks:
        groups.setdefault(batch_key(chunk), []).append(chunk)
    for group in groups.values():  # a group cannot share passes with another, whatever its lengths
        for batch in _split(group, token_budget, MAX_PADDING.get(device_type, 256)):
            # In slot order, the cache's rows can often be read as a view, and an adapter's rows are often adjacent.
            yield sorted(batch, key=lambda chunk: chunk.slot.index)


def _split(chunks: list[Chunk], token_budget: int, max_padding: int) -> Iterator[list[Chunk]]:
    """Batches of chunks of like length: a pass takes as long as if every row had the length of its longest."""
    batch: list[Chunk] = []
    padding = logits_wanted = longest = 0
    # From short to long, so that a chunk adds padding to all others of its batch and has none itself.
    for chunk in sorted(chunks, key=lambda chunk: len(chunk.tokens)):
        length, size = len(chunk.tokens), len(batch) + 1
        added = (length - longest) * len(batch)  # all rows so far are padded to the new length
        # Every row gets as many logits as the row that wants most.
        logits_wanted = max(logits_wanted, chunk.logits_wanted)
        # The pass computes [size, length] tokens and [size, logits_wanted, vocabulary] logits.
        too_large = length * size > token_budget or logits_wanted * size > MAX_LOGITS_ROWS
        if batch and (padding + added > max_padding or too_large):
            yield batch
            batch, padding, added, logits_wanted = [], 0, 0, chunk.logits_wanted
        batch.append(chunk)
        padding, longest = padding + added, length
    if batch:
        yield batch
