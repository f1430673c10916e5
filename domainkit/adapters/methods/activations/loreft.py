"""LoReFT: low-rank changes of the hidden states at a prompt's first and last positions (arXiv 2404.03592)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from domainkit.adapters.adaptation import Adaptation


class Reft(Adaptation):
    """What LoReFT and DiReFT share: where they act."""

    packs: ClassVar[bool] = False
    """In a packed row one shared beginning would stand for prompts that end in different places."""
    by_rows: ClassVar[bool] = True
    known_rates: ClassVar[tuple[float, float] | None] = (1e-4, 9e-4)

    rank: int = Field(8, ge=1)
    """Rank of the change; 8 for the paper's reasoning tasks, 4 for instructions."""
    first: int = Field(7, ge=0)
    """Positions at the beginning of each prompt that are changed."""
    last: int = Field(7, ge=0)
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
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        """The paper's for 7B and 13B, for want of a published one for small decoders; a sweep may well find more."""
        return 9e-4, "LoReFT's rate for LLaMA 7B and 13B (arXiv 2404.03592, appendix D)"

    def attach(self, model: Any) -> Any:
        """The base with changes of zero."""
        from domainkit.adapters.tuned_model import TunedConfig, TunedModel

        return TunedModel(model, self.build(model), TunedConfig(self))

    def build(self, model: Any) -> Any:
        raise NotImplementedError


class LoReft(Reft):
    """LoReFT (arXiv 2404.03592): h + Rᵀ(Wh + b − Rh) behind blocks, R's rows orthonormal; a tenth of LoRA's weights and less."""

    kind: Literal["loreft"] = "loreft"

    def build(self, model: Any) -> Any:
        """Fresh interventions over `model`, switched off."""
        from domainkit.adapters.methods.activations.reft_layers import Interventions, Loreft

        options = {name: getattr(self, name) for name in ("rank", "first", "last", "tied", "layers")}
        return Interventions(model, Loreft, **options)
