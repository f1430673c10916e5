"""Encoder-decoder bases (T5 type) in the scheduler's passes: a prompt is read once, by the encoder; the decoder writes the answer.

The first `encoded` tokens of a seat are the prompt; then come the decoder's opening token and the answer. Such decoders count
positions by column, so rows share a pass only at the same place of their answers: those that begin together stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from transformers import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from domainkit.errors import BaseModelError
from domainkit.inference.engine.acceleration import ALL_ON, Acceleration
from domainkit.inference.engine.kv_cache import Places, Seat, SlotStore, seated
from domainkit.models.memory import State


class _Answers(SlotStore):
    """Keys and values of the answers; all rows of a pass begin at one column."""

    begins = 0

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.begins

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self.begins + query_length, 0


class _Prompts(SlotStore):
    """Keys and values of the prompts in the decoder's layers, written by the pass that encodes them."""

    def lay_open(self) -> None:
        """Where transformers looks for them in later passes."""
        pairs = zip(self.keys, self.values, strict=True)
        seen = [SimpleNamespace(keys=k[self._read, :, : self._width], values=v[self._read, :, : self._width]) for k, v in pairs]  # fmt: skip
        self.layers = seen  # type: ignore[assignment]


class PairRunner(Places[_Answers]):
    """Runs an encoder-decoder over seats. A prompt's state belongs to its seat: nothing is shared between seats."""

    shares = False

    def __init__(self, model: Any, acceleration: Acceleration = ALL_ON) -> None:
        super().__init__(model, _Answers())
        self._prompts = _Prompts()
        self._encoded: set[Seat] = set()
        self._lead: dict[Seat, torch.Tensor] = {}

    def company(self, seat: Seat) -> tuple[bool, int, int]:
        return seat in self._encoded, *self._span(seat)

    # ---- seats ----

    def leave(self, seat: Seat) -> None:
        last = self._seats[-1]
        if last is not seat and last in self._encoded:
            self._prompts.copy(last.slot, seat.slot, self._width(last))
        self._encoded.discard(seat)
        self._lead.pop(seat, None)
        super().leave(seat)
        if not self._seats:
            self._prompts.clear()

    def clear(self) -> None:
        super().clear()
        self._prompts.clear()
        self._encoded.clear()
        self._lead.clear()

    def begin(self, seat: Seat, state: State | torch.Tensor) -> None:
        """Put virtual tokens before a seat that has read nothing: embeddings (tokens, hidden) before its prompt, or keys and
        values before its answer."""
        if isinstance(state, torch.Tensor):
            self._lead[seat] = state
        else:
            super().begin(seat, state)

    def _span(self, seat: Seat) -> tuple[int, int]:
        """(first column, number of columns) of what the next pass writes of the answer."""
        start = max(0, seat.length - seat.encoded)
        return seat.ahead + start, len(seat.tokens) - seat.encoded - start

    def _width(self, seat: Seat) -> int:
        """Positions of the seat's prompt."""
        return seat.encoded + (len(self._lead[seat]) if seat in self._lead else 0)

    # ---- passes ----

    def forward(self, seats: Sequence[Seat], wants: Sequence[int]) -> torch.Tensor:
        """Read every seat's chunk; all of one `company`. Returns float [seats, chunk, vocabulary]: row i ends with the logits of
        its last wants[i] tokens."""
        begins, size = self._span(seats[0])
        if size <= 0:  # part of a long prompt, which the encoder can only read whole
            for seat in seats:
                seat.length = len(seat.tokens)
            return torch.empty(len(seats), 0, 0)
        device, slots = self.model.device, [s.slot for s in seats]
        widths = torch.tensor([self._width(s) for s in seats])
        width = int(widths.max())
        mask = (torch.arange(width) < widths[:, None]).long().to(device)
        self._prompts.reserve(len(self._seats), width)
        self._prompts.aim(slots, torch.arange(width, device=device).expand(len(seats), width), width)
        self.store.reserve(len(self._seats), begins + size)
        columns = torch.arange(begins, begins + size, device=device).expand(len(seats), size)
        self.store.aim(slots, columns, begins + size)
        self.store.begins = begins
        cache = EncoderDecoderCache(self.store, self._prompts)
        known = seats[0] in self._encoded
        if known:
            self._prompts.lay_open()
            cache.is_updated = dict.fromkeys(range(len(self._prompts.keys)), True)
            hidden = torch.zeros((), device=device, dtype=self.model.dtype).expand(len(seats), width, 1)
        else:
            cache.is_updated = {}
            hidden = self._encode(seats, mask)
        out = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden),
            attention_mask=mask,
            decoder_input_ids=torch.tensor([s.tokens[-size:] for s in seats], device=device),
            past_key_values=cache,
            use_cache=True,
        )
        self._prompts.layers = []
        for seat in seats:
            self._encoded.add(seat)
            seat.length = len(seat.tokens)
        return out.logits

    def _encode(self, seats: Sequence[Seat], mask: torch.Tensor) -> torch.Tensor:
        """The encoder's states [seats, width, hidden] of the prompts, padded on the right."""
        width = mask.shape[1]
        encoder = self.model.get_encoder()
        ids = [s.tokens[: s.encoded] for s in seats]
        if not any(s in self._lead for s in seats):
            padded = torch.tensor([i + [0] * (width - len(i)) for i in ids], device=mask.device)
            return encoder(input_ids=padded, attention_mask=mask).last_hidden_state
        rows = []
        embed = self.model.get_input_embeddings()
        for seat, own in zip(seats, ids, strict=True):
            row = embed(torch.tensor(own, device=mask.device))
            row = torch.cat([self._lead[seat].to(row.dtype), row]) if seat in self._lead else row
            rows.append(torch.nn.functional.pad(row, (0, 0, 0, width - len(row))))
        return encoder(inputs_embeds=torch.stack(rows), attention_mask=mask).last_hidden_state


def make_pair_runner(model: Any, probe: Sequence[int], acceleration: Acceleration = ALL_ON) -> tuple[PairRunner, None]:
    """The runner for an encoder-decoder, and None: there is no slow one. `probe` are a few ordinary token ids.

    Raises BaseModelError when a small trial shows that its logits are not the plain model's.
    """
    runner = PairRunner(model)
    with torch.inference_mode():
        try:
            good, why = _agrees(runner, list(probe)), "its logits differ when rows share a batch"
        except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, KeyError) as e:
            good, why = False, f"{type(e).__name__}: {str(e).splitlines()[0]}"
    if not good:
        raise BaseModelError(
            f"this kind of encoder-decoder ({type(model).__name__}) cannot be served: {why}",
            next_step="use a base of the T5 type (T5, Flan-T5, mT5, ByT5), or a decoder-only one",
        )
    return runner, None


def _agrees(runner: PairRunner, probe: list[int]) -> bool:
    """Logits of two seats, read in two passes, against plain ones."""
    seats = [Seat([*probe[:n], *probe[:2]], encoded=n) for n in (3, 7)]
    with seated(runner, seats):
        runner.forward(seats, [1, 1])
        for seat in seats:
            seat.tokens = [*seat.tokens, probe[3]]
        found = runner.forward(seats, [1, 1])[:, -1]
    # int8 rounds activations by the company they are in.
    limit = 0.1 if getattr(runner.model, "is_loaded_in_8bit", False) else 0.02
    for row, seat in zip(found, seats, strict=True):
        prompt, answer = seat.tokens[: seat.encoded], seat.tokens[seat.encoded :]
        device = runner.model.device
        plain = runner.model(
            input_ids=torch.tensor([prompt], device=device),
            decoder_input_ids=torch.tensor([answer], device=device),
            use_cache=False,
        )
        wanted = plain.logits[0, -1].float()
        if not torch.allclose(row.float(), wanted, rtol=limit, atol=limit * float(wanted.abs().max())):
            return False
    return True


__all__ = ["PairRunner", "make_pair_runner"]
