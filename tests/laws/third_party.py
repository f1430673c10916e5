"""Two methods as another package would add them: RandLora, which PEFT has, and a scale per block, which PEFT lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from pydantic import Field

from domainkit.adapters.adaptation import Adaptation, NativeAdaptation, PeftConfigDict, wrap
from domainkit.adapters.adapter_module import HookedModule, transformer_blocks
from domainkit.models.encoder_decoder import architecture_of


class RandLora(Adaptation):
    """RandLora (arXiv 2502.00987): a full-rank sum of random low-rank products, whose scales are learnt."""

    kind: Literal["randlora"] = "randlora"
    rank: int = Field(8, ge=1)
    """Rank of each product."""

    @classmethod
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        return 1e-2, "a test's"

    def attach(self, model: Any) -> Any:
        from peft import RandLoraConfig

        return wrap(model, RandLoraConfig(r=self.rank, target_modules=["q_proj", "v_proj"]))


class BlockScale(NativeAdaptation):
    """Each block's output times a learnt factor per feature."""

    why_not_mergeable = "scales hidden states between blocks"

    kind: Literal["block_scale"] = "block_scale"

    @classmethod
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        return 1e-1, "a test's"

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        return True

    def build(self, model: Any) -> BlockScales:
        return BlockScales(model)


class BlockScales(HookedModule):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self._blocks = list(transformer_blocks(architecture_of(model).stacks(model)[-1]))
        width = model.config.get_text_config().hidden_size
        self.factors = torch.nn.ParameterList([torch.ones(width, device=model.device) for _ in self._blocks])

    def register_hooks(self) -> Iterator[Any]:
        for factor, block in zip(self.factors, self._blocks, strict=True):
            yield block.register_forward_hook(self._scale(factor))

    def _scale(self, factor: torch.Tensor) -> Any:
        def hook(block: Any, args: Any, out: torch.Tensor) -> torch.Tensor:
            if self.rows is None:
                return out * factor
            return out.index_copy(0, self.rows, out[self.rows] * factor)

        return hook
