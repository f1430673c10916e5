"""Runners: which one a model gets. The one that shares passes is tried against the plain model first; any other model has its rows
one by one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from transformers import DynamicCache

from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.acceleration.shared_prefix_attention import SharedPrefix
from domainkit.inference.engine.kv_cache import Runner, Seat, seated
from domainkit.models.memory import State


class SoloRunner:
    """For models whose state is more than keys and values (state-space, convolution, chunked layers), or whose numbers depend on
    who shares a pass (int8): one row at a time, each with the model's own cache. Right for any model, without batching or prefix
    reuse. `begins`: the state is keys and values only, so that it can be begun with those of virtual tokens."""

    shares = False
    one_by_one = True

    def __init__(self, model: Any, acceleration: Acceleration = ALL_ON, *, begins: bool = False) -> None:
        self.model = model
        self.begins = begins
        self._caches: dict[Seat, tuple[Any, int]] = {}
        self._begun: dict[Seat, State] = {}

    def company(self, seat: Seat) -> Hashable:
        return id(seat)

    def sit(self, seat: Seat) -> None:
        seat.length = seat.ahead = 0

    def begin(self, seat: Seat, state: State) -> None:
        """Put virtual tokens, of this state, before a seat that has read nothing yet."""
        seat.ahead = state[0][0].shape[1]
        self._begun[seat] = state

    def leave(self, seat: Seat) -> None:
        self._caches.pop(seat, None)
        self._begun.pop(seat, None)
        seat.length = 0

    def clear(self) -> None:
        self._caches.clear()
        self._begun.clear()

    def forward(self, seats: Sequence[Seat], wants: Sequence[int]) -> torch.Tensor:
        rows = [self._one(seat, want) for seat, want in zip(seats, wants, strict=True)]
        most = max(wants)
        return torch.cat([torch.nn.functional.pad(r, (0, 0, most - r.shape[1], 0)) for r in rows])

    def _one(self, seat: Seat, want: int) -> torch.Tensor:
        cache, read = self._caches.get(seat, (None, 0))
        if cache is None or read != seat.length:  # a new seat, or one that went back: read it from its beginning
            cache, seat.length = DynamicCache(config=self.model.config), 0
            for layer, (keys, values) in enumerate(self._begun.get(seat, ())):
                cache.update(keys[None], values[None], layer)
        out = self.model(
            input_ids=torch.tensor([seat.chunk], device=self.model.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=want,
        )
        seat.length = len(seat.tokens)
        self._caches[seat] = (getattr(out, "past_key_values", cache), seat.length)
        return out.logits


def make_runner(
    model: Any, probe: Sequence[int], acceleration: Acceleration = ALL_ON
) -> tuple[Runner | SoloRunner, str | None]:
    """The runner for this model, and why it is the slow one, if it is. `probe` are a few ordinary token ids.

    The fast runner is tried against the plain model on prompts of different lengths, rather than trusted by name.
    """
    try:
        runner = Runner(model, acceleration)
    except ValueError as e:
        return SoloRunner(model), f"answers are computed one by one: the base has {e}"
    why = _differs(runner, list(probe))
    if why is None:
        runner.cascades = runner.cascades and _differs(runner, list(probe), shared=2) is None
        return runner, None
    runner.close()
    solo = SoloRunner(model, begins=True)
    return solo, f"answers are computed one by one: the base cannot share batches ({why.splitlines()[0]})"


@torch.inference_mode()
def _differs(runner: Runner, probe: list[int], shared: int = 0) -> str | None:
    """How logits of two seats, read in chunks, differ from plain passes', if they do; the first `shared` tokens as a prefix of both."""
    short, long = probe[:6], probe[:8]
    seats = [Seat(probe[:3]), Seat(probe[:7])]
    try:
        with seated(runner, seats):
            if shared:
                _share_first(runner, seats, probe[:shared])
            runner.forward(seats, [1, 1])
            seats[0].tokens, seats[1].tokens = short, long
            found = runner.forward(seats, [1, 1])[:, -1]
        for row, tokens in zip(found, (short, long), strict=True):
            ids = torch.tensor([tokens], device=runner.model.device)
            wanted = runner.model(input_ids=ids, use_cache=False).logits[0, -1].float()
            if not torch.allclose(row.float(), wanted, rtol=0.02, atol=0.02 * float(wanted.abs().max())):
                return "its logits differ when rows share a batch"
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as e:
        return f"{type(e).__name__}: {e}"
    return None


def _share_first(runner: Runner, seats: Sequence[Seat], tokens: list[int]) -> None:
    with seated(runner, [first := Seat(tokens)]):
        runner.forward([first], [1])
        shared = SharedPrefix(runner.state(first, len(tokens)), len(tokens), len(tokens))
    for seat in seats:
        seat.shared, seat.length = shared, len(tokens)


__all__ = ["SoloRunner", "make_runner"]
