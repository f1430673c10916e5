"""BOFT: OFT whose rotation is a product of sparse ones, as in the fast Fourier transform (arXiv 2311.06243)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, Target, target_modules, wrap
from domainkit.adapters.peft_patches import apply_peft_patches

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


class Boft(Adaptation):
    """BOFT (arXiv 2311.06243): y = W R x with R a product of butterfly factors; a dense rotation from few weights, slow
    to apply."""

    published_rates = (5e-5, 8e-4)
    default_rate = (2e-4, "between BOFT's 1e-4 and 8e-4 for Llama 2 7B (arXiv 2311.06243, appendix A.3)")
    default_rate_small = (5e-4, "within BOFT's 5e-5 to 8e-4 for a base of 184M (arXiv 2311.06243, table 7)")
    works_for_preferences = True

    kind: Literal["boft"] = "boft"
    block_size: int = Field(8, ge=2)
    """Features that turn together in one factor; 8 in the paper's language models. It must divide every adapted layer's
    inputs."""
    factors: int = Field(2, ge=1)
    """Butterfly factors; 2 in the paper's language models. Inputs must be divisible by block_size · 2^(factors - 1)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Chance that a block sits out a training pass."""
    target: Target = None
    """Ends of the names of the layers to adapt, or all-linear; left out, queries and values, as each rotation is a
    dense product."""

    @classmethod
    def cache_frozen_layers(cls, model: PeftModel) -> None:
        """Its layers build their rotation, a product of dense matrices, at every pass."""
        from domainkit.adapters.methods.orthogonal.boft_layers import cache_rotations

        cache_rotations(model)

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import BOFTConfig

        apply_peft_patches()
        config = BOFTConfig(
            boft_block_size=self.block_size,
            boft_n_butterfly_factor=self.factors,
            boft_dropout=self.dropout,
            target_modules=target_modules(self.target),
        )
        wrapped = wrap(model, config)
        _share_permutations(wrapped)
        return wrapped


def _share_permutations(model: PeftModel) -> None:
    """Layers of one width share one permutation matrix (factors, width, width) instead of holding a copy each."""
    shared: dict[tuple[tuple[int, ...], torch.device], torch.Tensor] = {}
    for module in model.modules():
        if (matrix := getattr(module, "boft_P", None)) is not None:
            module.boft_P = shared.setdefault((tuple(matrix.shape), matrix.device), matrix)
