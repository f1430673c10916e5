"""KV cache: keys and values of many sequences side by side, one slot for each, and which slots are in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import torch
from transformers.cache_utils import Cache, DynamicLayer

from domainkit.inference.engine.acceleration.shared_prefix_attention import MIN_COLUMNS_SAVED, SharedPrefix
from domainkit.models.memory import KVState

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.inference.adapters.pool import PassRow
    from domainkit.inference.engine.batching import Chunk

GROWTH = 128
"""Fewest columns that are added in advance when sequences become longer than the cache."""


@dataclass(eq=False, slots=True)
class CacheSlot:
    """The part of the cache that belongs to one sequence. Only the runner that allocated it changes it."""

    prompt_length: int
    """Tokens of the sequence's prompt. Some adapters act at positions counted from its end."""
    index: int = -1
    """Row of the cache; -1 after the slot is freed."""
    tokens: list[int] = field(default_factory=list)
    """The tokens whose keys and values are stored, without virtual tokens."""
    most_tokens: int = 0
    """Most tokens that it may come to hold; 0: not known."""
    n_virtual: int = 0
    """Virtual tokens of the adapter, stored before the tokens."""
    n_encoded: int = 0
    """First tokens that an encoder reads; 0 for a decoder-only model."""
    beyond_boundary: bool = False
    """The keys have the rotary frequencies of sequences beyond the base's boundary (engine/rope_boundary.py)."""
    shared_prefix: SharedPrefix | None = None
    """Keys and values of the first tokens, stored once for several slots and outside the cache."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    @property
    def n_shared(self) -> int:
        """Columns of the shared prefix, virtual tokens included."""
        return self.shared_prefix.columns if self.shared_prefix else 0

    def columns(self, n_tokens: int) -> int:
        """Columns of the slot's own row that the first `n_tokens` tokens fill. An encoder's tokens fill none."""
        return self.n_virtual + max(0, n_tokens - self.n_encoded) - self.n_shared

    @property
    def most_columns(self) -> int | None:
        """Most columns of the slot's own row that it may come to fill; None: not known."""
        return self.columns(max(self.most_tokens, self.length)) if self.most_tokens else None


class KVCache(Cache):
    """Keys and values of all slots, [slots, heads, columns, width] per layer, allocated in steps and written in place.

    A row holds its tokens from the first column on. Rows of different lengths therefore share a forward pass without
    padding between tokens: a query attends to the columns up to its own.
    """

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.n_slots = 0
        self.n_columns = 0
        self.max_bytes: int | None = None
        """What the cache may take beyond what its sequences need now; None: no limit."""
        self._idle = False
        self._write_rows: torch.Tensor = torch.empty(0)  # long [rows, 1]
        self._write_columns: torch.Tensor = torch.empty(0)  # long [rows, chunk]
        self._only_row: int | None = None
        self._read_rows: slice | torch.Tensor = slice(0, 0)
        self._width = 0

    def reserve(self, n_slots: int, n_columns: int, most_columns: Callable[[], int | None] = lambda: None) -> None:
        """Make room for this many slots and columns. The slots before `n_slots` keep what is stored in them.

        `most_columns` says how many columns these slots may come to need: no more are added in advance.
        """
        idle, self._idle = self._idle, False
        if n_slots <= self.n_slots and n_columns <= self.n_columns:
            return
        if idle:  # growing would copy what nobody needs
            self.clear()
        most = most_columns()
        if n_columns > self.n_columns:
            more = max(GROWTH, n_columns // 4)
            n_columns += more if most is None else min(more, max(0, most - n_columns))
        else:
            n_columns = self.n_columns if most is None else min(self.n_columns, max(n_columns, most))
        self._resize(self._with_spare(n_slots, n_columns), n_columns)

    def _with_spare(self, n_slots: int, n_columns: int) -> int:
        """So many slots that sequences that join one by one do not have the cache copied for each."""
        if not self.n_slots or n_slots <= self.n_slots:  # whoever came together is all here
            return n_slots
        spare = 1 + n_slots // 4
        column_bytes = sum(t.element_size() * t.shape[1] * t.shape[3] for t in (*self.keys, *self.values))
        fits = self.max_bytes is None or (n_slots + spare) * n_columns * column_bytes <= self.max_bytes
        return n_slots + spare if fits else n_slots

    def _resize(self, n_slots: int, n_columns: int) -> None:
        slots, columns = slice(min(n_slots, self.n_slots)), slice(min(n_columns, self.n_columns))
        for tensors in (self.keys, self.values):  # layer by layer: the old tensors are never there beside all new ones
            for i, old in enumerate(tensors):
                tensors[i] = _zeros(old, n_slots, n_columns)
                tensors[i][slots, :, columns] = old[slots, :, columns]
        self.n_slots, self.n_columns = n_slots, n_columns

    def select(self, rows: list[int], columns: torch.Tensor, width: int) -> None:
        """Set the next pass: it writes these rows and columns (long [rows, chunk]), and reads `width` columns.

        The columns of a row are adjacent, and the last one of the longest row is `width` - 1.
        """
        self._write_rows = torch.tensor(rows, device=columns.device)[:, None]
        self._write_columns = columns
        self._only_row = rows[0] if len(rows) == 1 else None
        # Adjacent rows are read as a view. Any other selection has to be gathered, which copies.
        adjacent = rows == list(range(rows[0], rows[0] + len(rows)))
        self._read_rows = slice(rows[0], rows[0] + len(rows)) if adjacent else self._write_rows[:, 0]
        self._width = width

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """transformers' interface: store float [rows, heads, chunk, width]; return [rows, heads, columns, width]."""
        while len(self.keys) <= layer_idx:
            # Zeros, not empty: masked columns are still multiplied, and NaN times zero is NaN.
            self.keys.append(_zeros(key_states, self.n_slots, self.n_columns))
            self.values.append(_zeros(value_states, self.n_slots, self.n_columns))
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        if self._only_row is not None:  # a slice is written in a fifth of the time
            start = self._width - key_states.shape[2]
            keys[self._only_row, :, start : self._width] = key_states[0]
            values[self._only_row, :, start : self._width] = value_states[0]
        else:
            keys[self._write_rows, :, self._write_columns] = key_states.transpose(1, 2)
            values[self._write_rows, :, self._write_columns] = value_states.transpose(1, 2)
        return keys[self._read_rows, :, : self._width], values[self._read_rows, :, : self._width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._width

    def copy_row(self, source: int, target: int, n_columns: int) -> None:
        for tensors in (self.keys, self.values):
            for tensor in tensors:
                tensor[target, :, :n_columns] = tensor[source, :, :n_columns]

    def read_row(self, row: int, n_columns: int) -> KVState:
        """A copy of the row's first columns."""
        return [
            (k[row, :, :n_columns].clone(), v[row, :, :n_columns].clone())
            for k, v in zip(self.keys, self.values, strict=True)
        ]

    def write_row(self, row: int, start: int, stop: int, state: KVState) -> None:
        """Write columns `start` to `stop` - 1 of `state` into the first columns of the row."""
        if not self.keys:  # no pass has run yet, so the shapes come from the state
            self.keys = [_zeros(k[None], self.n_slots, self.n_columns) for k, _ in state]
            self.values = [_zeros(v[None], self.n_slots, self.n_columns) for _, v in state]
        for k, v, (state_k, state_v) in zip(self.keys, self.values, state, strict=True):
            k[row, :, : stop - start] = state_k[:, start:stop]
            v[row, :, : stop - start] = state_v[:, start:stop]

    def mark_idle(self) -> None:
        """Say that no slot is in use."""
        # The buffers stay for reuse: allocating them again costs page faults and fragments the heap.
        self._idle = True

    def clear(self) -> None:
        """Free the memory."""
        self.keys, self.values, self.n_slots, self.n_columns, self._idle = [], [], 0, 0, False


def _zeros(like: torch.Tensor, n_slots: int, n_columns: int) -> torch.Tensor:
    return like.new_zeros(n_slots, like.shape[1], n_columns, like.shape[3])


CacheT = TypeVar("CacheT", bound=KVCache)


class SlotAllocator(Generic[CacheT]):
    """The slots of one cache, and how states move in and out of them. The base of the runners that batch."""

    shared_prefix_attention = False
    """A forward pass can read prefixes that are stored outside the cache."""

    def __init__(self, model: PreTrainedModel, cache: CacheT) -> None:
        self.model = model
        self.cache = cache
        self._slots: list[CacheSlot] = []

    def allocate(
        self, prompt_length: int, virtual_tokens: KVState | torch.Tensor | None = None, most_tokens: int = 0
    ) -> CacheSlot:
        """A new slot, which begins with the adapter's virtual tokens and comes to hold `most_tokens` (0: unknown)."""
        slot = CacheSlot(prompt_length, len(self._slots), most_tokens=most_tokens)
        self._slots.append(slot)
        if virtual_tokens is not None:
            self._prepend(slot, virtual_tokens)
        return slot

    def free(self, slot: CacheSlot) -> None:
        """Free the slot. The last slot moves to its index, so that the slots in use are always 0, 1, 2, …"""
        last = self._slots.pop()
        if last is not slot:
            if n_columns := last.columns(last.length):  # a slot without tokens may have no row in the cache yet
                self.cache.copy_row(last.index, slot.index, n_columns)
            last.index = slot.index
            self._slots[slot.index] = last
        slot.index, slot.tokens, slot.shared_prefix = -1, [], None
        if not self._slots:
            self.cache.mark_idle()

    def clear(self) -> None:
        """Free every slot and the memory."""
        self._slots.clear()
        self.cache.clear()

    def _prepend(self, slot: CacheSlot, virtual_tokens: KVState | torch.Tensor) -> None:
        assert not isinstance(virtual_tokens, torch.Tensor), "embeddings are for an encoder"
        slot.n_virtual = virtual_tokens[0][0].shape[1]
        self.restore(slot, [], virtual_tokens)

    def pass_row(self, chunk: Chunk) -> PassRow:
        return chunk.pass_row()

    def reserve(self, n_columns: int) -> None:
        """Make room in the cache for every slot, and this many columns."""
        self.cache.reserve(len(self._slots), n_columns, self._most_columns)

    def _most_columns(self) -> int | None:
        most = [slot.most_columns for slot in self._slots]
        return None if None in most else max((n for n in most if n is not None), default=0)

    # ---- states in and out ----

    def restore(self, slot: CacheSlot, tokens: list[int], state: KVState) -> None:
        """Let the slot hold `tokens`. `state` starts with the virtual tokens', then theirs; the rest is ignored."""
        if slot.shared_prefix and slot.shared_prefix.tokens > len(tokens):
            slot.shared_prefix = None
        n_columns = slot.columns(len(tokens))
        self.reserve(n_columns)
        # What the shared prefix holds stays there; only what follows it is copied.
        self.cache.write_row(slot.index, slot.n_shared, slot.n_shared + n_columns, state)
        slot.tokens, slot.beyond_boundary = list(tokens), False

    def restore_all(self, slots: list[CacheSlot], tokens: list[int], state: KVState) -> None:
        """Let slots of one adapter hold the same prefix: stored once for all if that pays, else a copy in each."""
        n_columns = slots[0].n_virtual + len(tokens)
        existing = self._shared_prefix(state, len(tokens))
        n_existing = existing.columns if existing else 0
        n_saved = sum(n_columns - max(slot.n_shared, n_existing) for slot in slots[1:])
        if self.shared_prefix_attention and n_saved >= MIN_COLUMNS_SAVED:
            shared = SharedPrefix(state, len(tokens), n_columns)
            for slot in slots:
                slot.shared_prefix, slot.tokens = shared, list(tokens)
            return
        for slot in slots:
            # In a slot of its own, what others share would widen the slots of all.
            if slot.n_shared < n_existing:
                slot.shared_prefix = existing
            self.restore(slot, tokens, state)

    def _shared_prefix(self, state: KVState, n_tokens: int) -> SharedPrefix | None:
        """The longest shared prefix of this state, of at most so many tokens, that some slot already uses."""
        prefixes = (slot.shared_prefix for slot in self._slots if slot.shared_prefix)
        fitting = (p for p in prefixes if p.state is state and p.tokens <= n_tokens)
        return max(fitting, key=lambda p: p.tokens, default=None)

    def copy_state(self, slot: CacheSlot, n_tokens: int) -> KVState:
        """A copy of the state of the virtual tokens and the first `n_tokens` tokens."""
        n_columns, n_shared = slot.n_virtual + n_tokens, slot.n_shared
        if slot.shared_prefix is None:
            return self.cache.read_row(slot.index, n_columns)
        prefix = [
            (k[:, : min(n_columns, n_shared)], v[:, : min(n_columns, n_shared)]) for k, v in slot.shared_prefix.state
        ]
        if n_columns <= n_shared or not slot.columns(slot.length):
            return [(k.clone(), v.clone()) for k, v in prefix]
        suffix = self.cache.read_row(slot.index, n_columns - n_shared)
        joined = zip(prefix, suffix, strict=True)
        return [(torch.cat([k, own_k], 1), torch.cat([v, own_v], 1)) for (k, v), (own_k, own_v) in joined]
