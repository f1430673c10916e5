"""Batched runner: chunks of many sequences in one forward pass, over one KV cache."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import torch

from domainkit.inference.adapters.pool import PassRow
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.direct_passes import MAX_TOKENS, DirectPasses
from domainkit.inference.engine.acceleration.grouped_attention import EngineAttention
from domainkit.inference.engine.batching import Chunk
from domainkit.inference.engine.kv_cache import KVCache, SlotAllocator
from domainkit.inference.engine.rope_boundary import is_beyond, whole_if_crossing
from domainkit.models.language_model import rope_boundary

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import BaseModelOutputWithPast


class BatchedRunner(SlotAllocator[KVCache]):
    """For decoder-only models whose state is keys and values of whole or sliding-window attention.

    Raises ValueError for a model with layers of other kinds.
    """

    one_by_one = False
    takes_virtual_tokens = True

    def __init__(self, model: PreTrainedModel, acceleration: Acceleration = ALL_ON) -> None:
        super().__init__(model, KVCache())
        self._acceleration = acceleration
        self._windows = attention_windows(model.config.get_text_config())
        self._boundary = rope_boundary(model.config)
        self._attention = EngineAttention(model, acceleration)
        # The prefix has no mask, so a sliding window could not be kept.
        no_window = list(self._windows.values()) == [None]
        self.shared_prefix_attention = no_window and self._attention.shares_prefixes
        self._direct = DirectPasses(model)
        self.direct_passes = no_window and acceleration.direct_passes and self._direct.kind is not None
        self._positions_wanted: torch.Tensor | None = None  # long [rows, positions] of the current pass; None: all
        # On the decoder, not on the head: an adapter may wrap or replace the head.
        self._hook = model.get_decoder().register_forward_hook(self._select_positions)

    def isolated(self) -> BatchedRunner:
        """Another runner of the same model, with a cache of its own."""
        other = BatchedRunner(self.model, self._acceleration)
        other.direct_passes = self.direct_passes
        return other

    def close(self) -> None:
        """Leave the model as it was."""
        self._hook.remove()
        self._attention.close()

    def batch_key(self, chunk: Chunk) -> Hashable:
        return is_beyond(chunk, self._boundary)

    def pass_row(self, chunk: Chunk) -> PassRow:
        return whole_if_crossing(chunk, self._boundary).pass_row()

    def forward(self, chunks: list[Chunk]) -> torch.Tensor:
        """Read the chunks. Returns float [chunks, positions, vocabulary]; row i ends with what chunk i wants."""
        chunks = [whole_if_crossing(chunk, self._boundary) for chunk in chunks]
        for chunk in chunks:
            self._leave_prefix(chunk)
        device = self.model.device
        sizes = torch.tensor([len(c.tokens) for c in chunks])
        starts = torch.tensor([c.slot.columns(c.start) for c in chunks])  # first column that each chunk writes
        longest, width = int(sizes.max()), int((starts + sizes).max())
        columns = starts[:, None] + torch.arange(longest)  # [rows, longest]
        # Padding is written after the end of its row, where the next pass overwrites it.
        ids = torch.tensor([c.tokens + [0] * (longest - len(c.tokens)) for c in chunks], device=device)
        self.reserve(int(starts.max()) + longest)
        self.cache.select([c.slot.index for c in chunks], columns.to(device), width)
        n_shared = torch.tensor([c.slot.n_shared for c in chunks])[:, None]
        # Positions of padding are clamped, for models that look positions up in a table.
        positions = torch.minimum(columns, (starts + sizes - 1)[:, None]) + n_shared
        if longest > 1:
            self._positions_wanted = _last_positions(sizes, max(c.logits_wanted for c in chunks)).to(device)
        try:
            with self._attention.one_pass([c.slot.shared_prefix for c in chunks]):
                logits = self._logits(chunks, ids, columns.to(device), width, positions.to(device))
        finally:
            self._positions_wanted = None
        for chunk in chunks:
            chunk.slot.tokens[chunk.start :] = chunk.tokens
            chunk.slot.beyond_boundary = is_beyond(chunk, self._boundary)
        return logits

    def _logits(
        self, chunks: list[Chunk], ids: torch.Tensor, columns: torch.Tensor, width: int, positions: torch.Tensor
    ) -> torch.Tensor:
        if self._is_direct(chunks):
            mask = self._masks(columns, width) if ids.shape[1] > 1 else None  # a single token sees all columns
            assert not isinstance(mask, dict)
            return self._direct.logits(ids, mask, positions, self.cache, chunks[0].logits_wanted)
        out = self.model(
            input_ids=ids,
            attention_mask=self._masks(columns, width),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        )
        return out.logits

    def _is_direct(self, chunks: list[Chunk]) -> bool:
        if len(chunks) > 1 or len(chunks[0].tokens) > MAX_TOKENS or chunks[0].slot.shared_prefix or not self.cache.keys:
            return False
        return self.direct_passes and self._direct.prepare()

    def _leave_prefix(self, chunk: Chunk) -> None:
        """A chunk that starts inside of its shared prefix gets a copy of what is before. The rest is another text's."""
        prefix = chunk.slot.shared_prefix
        if prefix and chunk.start < prefix.tokens:
            self.restore(chunk.slot, chunk.slot.tokens[: chunk.start], prefix.state)

    def _masks(self, columns: torch.Tensor, width: int) -> torch.Tensor | dict[str, torch.Tensor]:
        """Additive masks, float [rows, 1, chunk, width], one for each kind of layer."""
        # A query sees the columns up to its own. All of them hold tokens of its sequence, so no padding mask is needed.
        keys = torch.arange(width, device=columns.device)[None, None, :]
        queries = columns[:, :, None]
        masks = {}
        for kind, window in self._windows.items():
            visible = keys <= queries if window is None else (keys <= queries) & (keys > queries - window)
            mask = torch.zeros(visible.shape, dtype=self.model.dtype, device=columns.device)
            mask.masked_fill_(~visible, torch.finfo(self.model.dtype).min)
            masks[kind] = mask[:, None]
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _select_positions(
        self,
        decoder: torch.nn.Module,
        args: tuple[object, ...],
        out: BaseModelOutputWithPast | tuple[torch.Tensor, ...],
    ) -> BaseModelOutputWithPast | tuple[torch.Tensor, ...]:
        """Forward hook: the output head, a prompt's largest product, gets only the positions that are wanted."""
        selected = self._selected(out[0])
        if isinstance(out, tuple):
            return (selected, *out[1:])
        out.last_hidden_state = selected
        return out

    def _selected(self, hidden: torch.Tensor) -> torch.Tensor:
        """[rows, chunk, hidden] at the positions that are wanted."""
        if self._positions_wanted is None:
            return hidden
        return hidden.gather(1, self._positions_wanted[:, :, None].expand(-1, -1, hidden.shape[-1]))


def _last_positions(sizes: torch.Tensor, count: int) -> torch.Tensor:
    """long [rows, count]: the last `count` positions of each row; position 0 is repeated where a row has fewer."""
    return (sizes[:, None] - count + torch.arange(count)).clamp(min=0)


def attention_windows(config: PreTrainedConfig) -> dict[str, int | None]:
    """The kinds of attention layers, and how far back each sees (None: all). Raises ValueError for other layers."""
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"])
    if kinds - {"full_attention", "sliding_attention"}:
        raise ValueError(f"layers of other kinds: {', '.join(sorted(kinds))}")
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)}
