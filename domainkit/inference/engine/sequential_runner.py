"""Sequential runner: one sequence in each forward pass, with the model's own cache."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from transformers import Cache, DynamicCache

from domainkit.inference.adapters.pool import PassRow
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import CacheSlot
from domainkit.inference.engine.rope_boundary import is_beyond
from domainkit.models.language_model import rope_boundary
from domainkit.models.memory import KVState

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class SequentialRunner:
    """Right for any model: also for those whose state is more than keys and values (state-space, convolution or chunked
    layers), and for those whose numbers depend on the batch (int8). No batching, and no reuse of prefixes."""

    one_by_one = True

    def __init__(self, model: PreTrainedModel, *, takes_virtual_tokens: bool = False) -> None:
        self.model = model
        self.takes_virtual_tokens = takes_virtual_tokens
        """The state is keys and values only, so it can begin with those of virtual tokens."""
        self._boundary = rope_boundary(model.config)
        self._caches: dict[CacheSlot, Cache] = {}
        self._virtual_tokens: dict[CacheSlot, KVState] = {}

    def isolated(self) -> SequentialRunner:
        return SequentialRunner(self.model, takes_virtual_tokens=self.takes_virtual_tokens)

    def batch_key(self, chunk: Chunk) -> Hashable:
        return id(chunk.slot)

    def allocate(
        self, prompt_length: int, virtual_tokens: KVState | torch.Tensor | None = None, most_tokens: int = 0
    ) -> CacheSlot:
        slot = CacheSlot(prompt_length)
        if virtual_tokens is not None:
            assert not isinstance(virtual_tokens, torch.Tensor), "embeddings are for an encoder"
            slot.n_virtual = virtual_tokens[0][0].shape[1]
            self._virtual_tokens[slot] = virtual_tokens
        return slot

    def free(self, slot: CacheSlot) -> None:
        self._caches.pop(slot, None)
        self._virtual_tokens.pop(slot, None)
        slot.tokens = []

    def clear(self) -> None:
        self._caches.clear()
        self._virtual_tokens.clear()

    def pass_row(self, chunk: Chunk) -> PassRow:
        row = chunk.pass_row()
        return row if self._continues(chunk) else replace(row, start=0, n_tokens=chunk.start + len(chunk.tokens))

    def _continues(self, chunk: Chunk) -> bool:
        """Not every model's state can go back to an earlier token. Such a sequence is read again from its start."""
        same_side = is_beyond(chunk, self._boundary) == chunk.slot.beyond_boundary
        return chunk.slot in self._caches and chunk.start == chunk.slot.length and same_side

    def forward(self, chunks: list[Chunk]) -> torch.Tensor:
        """Read the chunks. Returns float [chunks, positions, vocabulary]; row i ends with what chunk i wants."""
        rows = [self._read(chunk) for chunk in chunks]
        most = max(chunk.logits_wanted for chunk in chunks)
        return torch.cat([torch.nn.functional.pad(r, (0, 0, most - r.shape[1], 0)) for r in rows])

    def _read(self, chunk: Chunk) -> torch.Tensor:
        slot, tokens = chunk.slot, chunk.tokens
        if self._continues(chunk):
            cache = self._caches[slot]
        else:
            cache, tokens = self._new_cache(slot), [*slot.tokens[: chunk.start], *chunk.tokens]
        out = self.model(
            input_ids=torch.tensor([tokens], device=self.model.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=chunk.logits_wanted,
        )
        slot.tokens[chunk.start :] = chunk.tokens
        slot.beyond_boundary = is_beyond(Chunk(slot, [], slot.length), self._boundary)
        # Some models answer with a cache of their own kind.
        self._caches[slot] = getattr(out, "past_key_values", cache)
        return out.logits

    def _new_cache(self, slot: CacheSlot) -> Cache:
        cache = DynamicCache(config=self.model.config)
        for layer, (keys, values) in enumerate(self._virtual_tokens.get(slot, ())):
            cache.update(keys[None], values[None], layer)
        return cache
