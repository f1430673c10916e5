"""Slots: keys and values of many answers side by side, each in a row of its own, and the model's passes over them.

A row holds its tokens in columns from the first on, so rows of different lengths, and several new tokens for some of them, share
a pass without padding between tokens: a query attends to the columns up to its own. Where several rows begin alike, what they
share is held once, beside the store, and their columns begin behind it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from transformers.cache_utils import Cache, DynamicLayer

from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.grouped_attention import EngineAttention
from domainkit.inference.engine.acceleration.shared_prefix_attention import MIN_COLUMNS_SAVED, SharedPrefix
from domainkit.models.memory import State

GROWTH = 128
"""Columns added at least when rows get longer than the store."""


@dataclass(eq=False, slots=True)
class Seat:
    """One answer's place: `tokens` are its prompt and what follows; the state of the first `length` of them is known, behind that
    of `ahead` virtual tokens: in the store, or, for its beginning, in a prefix `shared` with others. The first `encoded` of the
    tokens are an encoder's to read, none where there is no encoder."""

    tokens: list[int]
    length: int = 0
    slot: int = -1
    ahead: int = 0
    encoded: int = 0
    shared: SharedPrefix | None = None

    @property
    def behind(self) -> int:
        """Columns of the shared prefix."""
        return self.shared.columns if self.shared else 0

    @property
    def columns(self) -> int:
        """Columns that its own row of the store holds."""
        return self.ahead + self.length - self.behind

    @property
    def chunk(self) -> list[int]:
        """The tokens the next pass has to read."""
        return self.tokens[self.length :]


class SlotStore(Cache):
    """Keys and values of all seats, [rows, heads, columns, width] per layer, allocated in steps and written in place."""

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.rows = 0
        self.columns = 0
        self._idle = False
        self._at: torch.Tensor = torch.empty(0)
        self._to: torch.Tensor = torch.empty(0)
        self._read: Any = None
        self._width = 0

    def reserve(self, rows: int, columns: int) -> None:
        """Room for that many rows and columns; what is stored stays, unless nobody is left who needs it."""
        idle, self._idle = self._idle, False
        if rows <= self.rows and columns <= self.columns:
            return
        if idle:  # as many rows as once, each as long as now, would be more than anybody asked for
            self.clear()
        rows = self.rows if rows <= self.rows else max(rows, 2 * self.rows)
        if columns > self.columns:
            columns += max(GROWTH, columns // 4)
        columns = max(columns, self.columns)
        for kind in (self.keys, self.values):
            for i, old in enumerate(kind):
                kind[i] = old.new_zeros(rows, old.shape[1], columns, old.shape[3])
                kind[i][: old.shape[0], :, : old.shape[2]] = old
        self.rows, self.columns = rows, columns

    def aim(self, slots: Sequence[int], columns: torch.Tensor, width: int) -> None:
        """The next pass writes to these slots and columns (long [rows, chunk]) and reads the first `width` columns."""
        self._at = torch.tensor(slots, device=columns.device)[:, None]
        self._to = columns
        # Rows in order from the first are read as they lie; others are gathered.
        self._read = slice(0, len(slots)) if list(slots) == list(range(len(slots))) else self._at[:, 0]
        self._width = width

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        while len(self.keys) <= layer_idx:
            # Zeros, not empty: columns that are masked out are still multiplied, and NaN times zero is NaN.
            self.keys.append(_zeros(key_states, self.rows, self.columns))
            self.values.append(_zeros(value_states, self.rows, self.columns))
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        keys[self._at, :, self._to] = key_states.transpose(1, 2)
        values[self._at, :, self._to] = value_states.transpose(1, 2)
        return keys[self._read, :, : self._width], values[self._read, :, : self._width]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._width

    def copy(self, source: int, target: int, columns: int) -> None:
        for kind in (self.keys, self.values):
            for t in kind:
                t[target, :, :columns] = t[source, :, :columns]

    def read(self, slot: int, columns: int) -> State:
        return [
            (k[slot, :, :columns].clone(), v[slot, :, :columns].clone())
            for k, v in zip(self.keys, self.values, strict=True)
        ]

    def write(self, slot: int, start: int, stop: int, state: State) -> None:
        """Columns `start` … `stop` - 1 of a state, into the first ones of the slot."""
        for k, v, (given_k, given_v) in zip(self.keys, self.values, state, strict=True):
            k[slot, :, : stop - start] = given_k[:, start:stop]
            v[slot, :, : stop - start] = given_v[:, start:stop]

    def rest(self) -> None:
        """Nobody needs what is stored. The room is kept for the next batch: getting it from the system again takes time, and what
        the allocator would keep of it is of no use to a batch of another shape."""
        self._idle = True

    def clear(self) -> None:
        """Give the memory back."""
        self.keys, self.values, self.rows, self.columns, self._idle = [], [], 0, 0, False


def _zeros(like: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return like.new_zeros(rows, like.shape[1], columns, like.shape[3])


Store = TypeVar("Store", bound=SlotStore)


class Places(Generic[Store]):
    """The seats that a model is run over, and their states, in one store."""

    one_by_one = False
    """A pass holds one row, whose state is the model's own cache."""
    begins = True
    """A seat can begin with virtual tokens."""
    cascades = False
    """Passes can read prefixes that seats share."""

    def __init__(self, model: Any, store: Store) -> None:
        self.model = model
        self.store = store
        self._seats: list[Seat] = []

    def company(self, seat: Seat) -> Hashable:
        """Seats may share the next pass when this is equal."""
        return None

    def sit(self, seat: Seat) -> None:
        seat.slot, seat.length, seat.ahead, seat.shared = len(self._seats), 0, 0, None
        self._seats.append(seat)

    def leave(self, seat: Seat) -> None:
        """Free the seat; the last one moves into its slot, so that slots stay without gaps."""
        last = self._seats.pop()
        if last is not seat:
            if last.columns:  # a seat that has read nothing may have no place in the store yet
                self.store.copy(last.slot, seat.slot, last.columns)
            last.slot = seat.slot
            self._seats[seat.slot] = last
        seat.slot, seat.length, seat.shared = -1, 0, None
        if not self._seats:
            self.store.rest()

    def clear(self) -> None:
        """Free every seat, and give the memory back."""
        self._seats.clear()
        self.store.clear()

    def begin(self, seat: Seat, state: State) -> None:
        """Put virtual tokens, of this state, before a seat that has read nothing yet."""
        seat.ahead = state[0][0].shape[1]
        self.fill(seat, 0, state)

    def give(self, seats: Sequence[Seat], tokens: int, state: State) -> None:
        """Let seats that have read nothing else begin with the first `tokens`, and the virtual ones, of a kept state. It is held
        once for all of them where that pays, else each takes into its own row what it does not share already."""
        columns = seats[0].ahead + tokens
        known = {s.shared for s in self._seats if s.shared and s.shared.state is state and s.shared.tokens == tokens}
        spared = sum(columns - s.behind for s in seats[1:])
        if known or (self.cascades and spared >= MIN_COLUMNS_SAVED):
            shared = known.pop() if known else SharedPrefix(state, tokens, columns)
            for seat in seats:
                seat.shared, seat.length = shared, tokens
        else:
            for seat in seats:
                self.fill(seat, tokens, state)

    def fill(self, seat: Seat, tokens: int, state: State) -> None:
        """Take the first `tokens`, and the virtual ones, from a kept state; what a shared prefix holds of them stays there."""
        if seat.shared and seat.shared.tokens > tokens:
            seat.shared = None
        self.store.reserve(len(self._seats), seat.ahead + tokens - seat.behind)
        self._allocate(state)
        self.store.write(seat.slot, seat.behind, seat.ahead + tokens, state)
        seat.length = tokens

    def state(self, seat: Seat, tokens: int) -> State:
        """A copy of the state of the first `tokens` tokens and the virtual ones before them."""
        columns, behind = seat.ahead + tokens, seat.behind
        if seat.shared is None:
            return self.store.read(seat.slot, columns)
        first = [(k[:, : min(columns, behind)], v[:, : min(columns, behind)]) for k, v in seat.shared.state]
        if columns <= behind or not seat.columns:
            return [(k.clone(), v.clone()) for k, v in first]
        own = self.store.read(seat.slot, columns - behind)
        joined = zip(first, own, strict=True)
        return [(torch.cat([k, own_k], 1), torch.cat([v, own_v], 1)) for (k, v), (own_k, own_v) in joined]

    def _allocate(self, state: State) -> None:
        if not self.store.keys:
            self.store.keys = [_zeros(k[None], self.store.rows, self.store.columns) for k, _ in state]
            self.store.values = [_zeros(v[None], self.store.rows, self.store.columns) for _, v in state]


class Runner(Places[SlotStore]):
    """Runs the model over seats. `shares`: states can be copied between seats, so prefixes can be reused."""

    shares = True

    def __init__(self, model: Any, acceleration: Acceleration = ALL_ON) -> None:
        super().__init__(model, SlotStore())
        self._windows = attention_windows(model.config.get_text_config())
        self._keep: torch.Tensor | None = None
        self._attention = EngineAttention(model, acceleration)
        self.cascades = self._attention.shares_prefixes and list(self._windows.values()) == [None]
        # Behind the decoder, not before the head: an adapter may wrap or replace the head.
        self._hook = model.get_decoder().register_forward_hook(self._only_wanted)

    def forward(self, seats: Sequence[Seat], wants: Sequence[int]) -> torch.Tensor:
        """Read every seat's chunk. Returns float [seats, max(wants), vocabulary]: row i ends with the logits of its last
        wants[i] tokens."""
        device = self.model.device
        for seat in seats:
            if seat.shared and seat.length < seat.shared.tokens:  # it went back into what it shares
                self.fill(seat, seat.length, seat.shared.state)
        chunks = [s.chunk for s in seats]
        sizes = torch.tensor([len(c) for c in chunks])
        starts = torch.tensor([s.columns for s in seats])
        longest = int(sizes.max())
        self.store.reserve(len(self._seats), int(starts.max()) + longest)
        ids = torch.tensor([c + [0] * (longest - len(c)) for c in chunks], device=device)
        columns = starts[:, None] + torch.arange(longest)
        width = int((starts + sizes).max())
        self.store.aim([s.slot for s in seats], columns.to(device), width)
        self._keep = _last_places(sizes, max(wants)).to(device) if longest > 1 else None
        # Padding after a chunk is written beyond its row's end, where the next pass overwrites it; its position is
        # clamped, for models whose positions are a table.
        behind = torch.tensor([s.behind for s in seats])[:, None]
        positions = (torch.minimum(columns, (starts + sizes - 1)[:, None]) + behind).to(device)
        try:
            with self._attention.one_pass([s.shared for s in seats]):
                out = self.model(
                    input_ids=ids,
                    attention_mask=self._masks(columns.to(device), width),
                    position_ids=positions,
                    past_key_values=self.store,
                    use_cache=True,
                )
        finally:
            self._keep = None
        for seat in seats:
            seat.length = len(seat.tokens)
        return out.logits

    def _masks(self, columns: torch.Tensor, width: int) -> Any:
        """Additive float [rows, 1, chunk, width] for each kind of layer."""
        places = torch.arange(width, device=columns.device)
        seen = places[None, None, :] <= columns[:, :, None]
        masks = {}
        for kind, window in self._windows.items():
            allowed = seen if window is None else seen & (places[None, None, :] > columns[:, :, None] - window)
            blocked = torch.zeros(allowed.shape, dtype=self.model.dtype, device=columns.device)
            blocked.masked_fill_(~allowed, torch.finfo(self.model.dtype).min)
            masks[kind] = blocked[:, None]
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _only_wanted(self, decoder: Any, args: Any, out: Any) -> Any:
        """The head runs for the wanted places only."""
        if self._keep is None:
            return out
        hidden = out[0]
        picked = hidden.gather(1, self._keep[:, :, None].expand(-1, -1, hidden.shape[-1]))
        if isinstance(out, tuple):
            return (picked, *out[1:])
        out.last_hidden_state = picked
        return out

    def close(self) -> None:
        self._hook.remove()
        self._attention.close()


def _last_places(sizes: torch.Tensor, wanted: int) -> torch.Tensor:
    """long [rows, wanted]: the last `wanted` places of each row, the first one repeated where there are fewer."""
    return (sizes[:, None] - wanted + torch.arange(wanted)).clamp(min=0)


def attention_windows(config: Any) -> dict[str, int | None]:
    """The kinds of attention layers and how far back each sees (None: all). Raises ValueError for other kinds of layers."""
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    kinds = set(getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"])
    if kinds - {"full_attention", "sliding_attention"}:
        raise ValueError(f"layers of other kinds: {', '.join(sorted(kinds))}")
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)}


@contextmanager
def seated(runner: Any, seats: Sequence[Seat]) -> Iterator[None]:
    for seat in seats:
        runner.sit(seat)
    try:
        yield
    finally:
        for seat in reversed(list(seats)):
            runner.leave(seat)


__all__ = ["Places", "Runner", "Seat", "SlotStore", "attention_windows", "seated"]
