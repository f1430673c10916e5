"""VeRA: one pair of frozen random matrices for all layers, and two learnt vectors for each (arXiv 2310.11454)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, PeftConfigDict, Width, target_modules, wrap

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Vera(Adaptation):
    """VeRA (arXiv 2310.11454): y = Wx + diag(b) B diag(d) Ax with A and B random, frozen and shared; a tenth of LoRA's
    weights."""

    published_rates = (1e-3, 1e-1)
    # Above LoRA's: vectors move less than matrices.
    default_rate = (
        1e-3,
        "PEFT's method comparison; the paper takes 4e-3 for Llama and up to 1e-1 for GPT-2 "
        "(arXiv 2310.11454, appendix A)",
    )
    works_for_preferences = True

    kind: Literal["vera"] = "vera"
    rank: Width = 256
    """Rank of the shared matrices; 256 in the paper's RoBERTa-large, 1024 in its other language models."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs dropped in training."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head, as in the paper), or the ends of their names."""
    initial_d: float = Field(0.1, gt=0)
    """What d starts from; 0.1 in the paper."""

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int:
        """That of the shared matrices."""
        return int(config["r"])

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """The base with b zero, so that nothing changes at first. The shared matrices are saved with the rest."""
        from peft import VeraConfig

        config = VeraConfig(
            r=self.rank,
            vera_dropout=self.dropout,
            d_initial=self.initial_d,
            target_modules=target_modules(self.target),
            save_projection=True,
        )
        return wrap(model, config)
