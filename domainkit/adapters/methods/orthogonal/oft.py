"""OFT: each weight turned by a rotation, block by block (arXiv 2306.07280; on quantised bases, arXiv 2506.19847)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, target_modules, wrap

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Oft(Adaptation):
    """OFT (arXiv 2306.07280): y = W R x with R block-diagonal and orthogonal, which keeps the angles between
    neurons."""

    published_rates = (8e-5, 9e-4)
    default_rate = (
        2e-4,
        "OFTv2's rate for Llama 2 7B and 13B on text; 8e-4 on GSM8K (arXiv 2506.19847, tables 8 and 9)",
    )
    default_rate_small = (5e-4, "within OFT's 8e-5 to 9e-4 for a base of 184M (arXiv 2311.06243, table 7)")
    works_for_preferences = True

    kind: Literal["oft"] = "oft"
    block_size: int = Field(32, ge=2)
    """Features that turn together; 32 in OFTv2 (arXiv 2506.19847). Layers it does not divide take the nearest size that
    does."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Chance that a block sits out a training pass."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head), or the ends of their names."""
    exact: bool = False
    """Cayley's transform by inversion; off, by OFTv2's five terms of its series, which is faster."""

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import OFTConfig

        config = OFTConfig(
            oft_block_size=self.block_size,
            module_dropout=self.dropout,
            use_cayley_neumann=not self.exact,
            target_modules=target_modules(self.target),
        )
        return wrap(model, config)
