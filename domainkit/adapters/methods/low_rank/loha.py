"""LoHa: the element-wise product of two low-rank differences (FedPara, arXiv 2108.06098; LyCORIS, 2309.14859)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, PeftConfigDict, Width, target_modules, wrap
from domainkit.adapters.peft_patches import apply_peft_patches

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Loha(Adaptation):
    """LoHa (arXiv 2108.06098): y = Wx + (alpha / rank) (B₁A₁ ⊙ B₂A₂) x, a difference of rank up to rank²."""

    published_rates = (1e-4, 1e-3)
    # The highest that was tried: the product of two small matrices moves slowly.
    default_rate = (1e-3, "the highest of LyCORIS's 1e-4, 5e-4 and 1e-3, for images (arXiv 2309.14859, section 5.3.2)")
    works_for_preferences = True

    kind: Literal["loha"] = "loha"
    rank: Width = 8
    """Rank of each factor; 8 is PEFT's default: a difference of rank up to 64 from twice LoRA's weights at rank 8."""
    alpha: float | None = Field(None, gt=0)
    """Scale of the difference; left out, the rank."""
    module_dropout: float = Field(0.0, ge=0, lt=1)
    """Chance that a layer's adapter sits out a training pass."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head), or the ends of their names."""

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int:
        """The element-wise product of two matrices of rank r has rank r² at most."""
        return int(config["r"]) ** 2

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """The base with fresh weights, one of the four factors zero; works on packed 4-bit layers too."""
        from peft import LoHaConfig

        apply_peft_patches()
        config = LoHaConfig(
            r=self.rank,
            alpha=self.alpha or self.rank,  # type: ignore[arg-type]
            module_dropout=self.module_dropout,
            target_modules=target_modules(self.target),
        )
        return wrap(model, config)
