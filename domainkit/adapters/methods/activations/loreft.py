"""LoReFT: low-rank changes of the hidden states at a prompt's first and last positions (arXiv 2404.03592)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from domainkit.adapters.adaptation import LARGEST_WIDTH, NativeAdaptation, PeftConfigDict, Width

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments
    from domainkit.adapters.adapter_module import AdapterModule
    from domainkit.adapters.micro_batch import MicroBatch

AT_SOME_POSITIONS = (
    "changes hidden states at some positions of the prompt only, and weights are the same for every position"
)


class Reft(NativeAdaptation):
    """What LoReFT and DiReFT share: where they act."""

    packs = False
    """In a packed row, one shared prefix would stand for prompts that end at different positions."""
    why_not_mergeable = AT_SOME_POSITIONS
    published_rates = (1e-4, 9e-4)
    # For want of a published one for small decoders; a sweep may well find more.
    default_rate = (9e-4, "LoReFT's rate for LLaMA 7B and 13B (arXiv 2404.03592, appendix D)")

    rank: Width = 8
    """Rank of the change; 8 for the paper's reasoning tasks, 4 for instructions."""
    first: int = Field(7, ge=0, le=LARGEST_WIDTH)
    """Positions at the beginning of each prompt that are changed."""
    last: int = Field(7, ge=0, le=LARGEST_WIDTH)
    """Positions at its end; a prompt shorter than both gives half of its positions to each."""
    tied: bool = True
    """One change for both ends of a layer; off, one for each."""
    layers: tuple[int, ...] | None = None
    """Blocks to change, counted from 0; left out, all."""

    @model_validator(mode="after")
    def _acts_somewhere(self) -> Reft:
        if not self.first + self.last:
            raise ValueError("first and last are both 0, so that nothing would be changed")
        return self

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        """Hooks change the adapter's own rows only."""
        return True

    @classmethod
    def forward_arguments(cls, config: object, batch: MicroBatch) -> tuple[ForwardArguments, int]:
        """Where each prompt ends; an encoder-decoder's encoder reads nothing but the prompt."""
        if batch.decoder_ids is not None:
            return batch.inputs, 0
        return {**batch.inputs, "prompt_ends": prompt_ends(batch)}, 0


class LoReft(Reft):
    """LoReFT (arXiv 2404.03592): h + Rᵀ(Wh + b − Rh) behind blocks, R's rows orthonormal; a tenth of LoRA's weights and
    less."""

    kind: Literal["loreft"] = "loreft"

    def build(self, model: PreTrainedModel) -> AdapterModule:
        from domainkit.adapters.methods.activations.reft_layers import Interventions, Loreft

        options = {name: getattr(self, name) for name in ("rank", "first", "last", "tied", "layers")}
        return Interventions(model, Loreft, **options)


def prompt_ends(batch: MicroBatch) -> torch.Tensor:
    """(B) length of each padded row's prompt, whose last position predicts the row's first supervised token."""
    rows, length = batch.input_ids.shape
    return batch.columns.new_full((rows,), length - 1).scatter_reduce(0, batch.rows, batch.columns, "amin") + 1
