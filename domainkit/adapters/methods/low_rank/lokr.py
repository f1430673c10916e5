"""LoKr: a difference made as a Kronecker product (KronA, arXiv 2212.10650; LyCORIS, arXiv 2309.14859)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, Width, target_modules, wrap
from domainkit.adapters.peft_patches import apply_peft_patches

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class Lokr(Adaptation):
    """LoKr (arXiv 2309.14859): y = Wx + (alpha / rank) (C ⊗ BA) x, of high rank from few weights."""

    published_rates = (1e-4, 3e-3)
    default_rate = (3e-3, "PEFT's method comparison, the better of 1e-4 and 3e-3 (with factor 4)")
    works_for_preferences = True

    kind: Literal["lokr"] = "lokr"
    rank: Width = 8
    """Rank of the right factor; 8 is PEFT's default."""
    alpha: float | None = Field(None, gt=0)
    """Scale of the difference; left out, the rank."""
    module_dropout: float = Field(0.0, ge=0, lt=1)
    """Chance that a layer's adapter sits out a training pass."""
    target: str | tuple[str, ...] = "all-linear"
    """Layers to adapt: all-linear (all but the head), or the ends of their names."""
    decompose_both: bool = False
    """Make the left factor low-rank too."""
    decompose_factor: int = Field(-1, ge=-1)
    """Rows of the left factor; -1 cuts each side near its square root."""

    def attach(self, model: PreTrainedModel) -> PeftModel:
        """The base with fresh weights, the left factor zero; works on packed 4-bit layers too."""
        from peft import LoKrConfig

        apply_peft_patches()
        config = LoKrConfig(
            r=self.rank,
            alpha=self.alpha or self.rank,  # type: ignore[arg-type]
            module_dropout=self.module_dropout,
            decompose_both=self.decompose_both,
            decompose_factor=self.decompose_factor,
            target_modules=target_modules(self.target),
            # A zero left factor that is low-rank on both sides would leave the right one without gradient for too long.
            init_weights="lycoris" if self.decompose_both else True,
        )
        return wrap(model, config)
