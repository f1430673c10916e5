"""Last layers: ordinary fine-tuning of the base's last blocks, the others frozen (arXiv 1911.03090)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from domainkit.adapters.adaptation import NativeAdaptation
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adapter_module import AdapterModule
    from domainkit.adapters.tuned_model import TunedModel


class LastLayers(NativeAdaptation):
    """Fine-tuning of the last blocks only (arXiv 1911.03090): the lower ones run without gradients. Needs
    quantization=none."""

    precisions = ("none",)
    published_rates = (1e-5, 5e-4)
    default_rate = (
        1e-4,
        "domainkit's own, between full fine-tuning's 1e-5 and LoRA's 2e-4: no rate is published for decoders",
    )

    kind: Literal["last_layers"] = "last_layers"
    count: int | None = Field(None, ge=1)
    """Blocks to train, from the last; left out, a quarter of them, which kept 90 % of full fine-tuning's quality (arXiv
    1911.03090)."""

    def attach(self, model: PreTrainedModel) -> TunedModel:
        """The base with trainable float32 copies of its last blocks' weights."""
        from domainkit.adapters.methods.base_weights.replaced_layers import refuse_quantised

        refuse_quantised(model, self.kind)
        return super().attach(model)

    def build(self, model: PreTrainedModel) -> AdapterModule:
        from domainkit.adapters.adapter_module import transformer_blocks
        from domainkit.adapters.methods.base_weights.replaced_layers import Replacements
        from domainkit.models.encoder_decoder import architecture_of

        blocks = transformer_blocks(architecture_of(model).stacks(model)[-1])
        count = -(-len(blocks) // 4) if self.count is None else self.count
        if count > len(blocks):
            raise ConfigError(
                f"count={count} is more than the base's {len(blocks)} blocks",
                where="method.count",
                next_step="use fewer, or method=full",
            )
        parameter_ids = {id(p) for block in blocks[-count:] for p in block.parameters()}
        names = {name for name, p in model.named_parameters() if id(p) in parameter_ids}
        return Replacements(model, names.__contains__)
