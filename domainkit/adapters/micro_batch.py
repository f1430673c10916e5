"""The tensors of one forward pass in training, which methods read to make the arguments of their own forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from domainkit.adapters.adaptation import ForwardArguments


@dataclass(frozen=True, slots=True)
class Segments:
    """A row of L positions: `prefix` positions seen by all, then segments.

    `buckets` hold row positions (S, M) of S segments of similar length, padded by 0 to M; `order` (L - prefix) says
    where each position after the prefix lies among the buckets' (S · M) slots laid end to end.
    """

    prefix: int
    buckets: tuple[torch.Tensor, ...]
    order: torch.Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Segments:
        buckets = tuple(b.to(device, non_blocking=non_blocking) for b in self.buckets)
        return Segments(self.prefix, buckets, self.order.to(device, non_blocking=non_blocking))


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The tensors of one forward pass: B rows of L positions, with n supervised tokens in all.

    The token `targets[i]` is predicted at position `columns[i]` of row `rows[i]`.
    """

    input_ids: torch.Tensor
    """(B, L). An encoder-decoder's encoder reads them."""
    position_ids: torch.Tensor
    """(B, L)."""
    attention_mask: torch.Tensor | None
    """None for plain causal attention, (B, L) of ones and zeros, or (1, 1, L, L) additive."""
    rows: torch.Tensor
    """(n,)."""
    columns: torch.Tensor
    """(n,). Columns of `decoder_ids` where there are any."""
    targets: torch.Tensor
    """(n,)."""
    segments: Segments | None = None
    """They replace `attention_mask` in a model that computes attention by segments."""
    tasks: torch.Tensor | None = None
    """(B,) numbers of the rows' tasks."""
    decoder_ids: torch.Tensor | None = None
    """(B, T). What an encoder-decoder's decoder reads."""

    @property
    def inputs(self) -> ForwardArguments:
        """Arguments of the model's forward."""
        inputs: ForwardArguments = {
            "input_ids": self.input_ids,
            "attention_mask": self.attention_mask,
            "use_cache": False,
        }
        if self.decoder_ids is not None:
            return {**inputs, "decoder_input_ids": self.decoder_ids}
        inputs["position_ids"] = self.position_ids
        return {**inputs, "segments": self.segments} if self.segments else inputs

    def to(self, device: torch.device) -> MicroBatch:
        moved: ForwardArguments = {}
        for name in self.__slots__:
            part = getattr(self, name)
            moved[name] = None if part is None else part.to(device, non_blocking=True)
        return MicroBatch(**moved)
