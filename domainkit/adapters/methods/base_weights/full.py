"""Full fine-tuning: every weight of the base is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from domainkit.adapters.adaptation import NativeAdaptation

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adapter_module import AdapterModule
    from domainkit.adapters.tuned_model import TunedModel


class Full(NativeAdaptation):
    """Full fine-tuning: every weight, at the price of a whole model per adapter. Needs quantization=none."""

    precisions = ("none",)
    base_can_be_sharded = False
    published_rates = (5e-6, 5e-5)
    default_rate = (1e-5, "PEFT's method comparison, a tenth of its LoRA's")
    default_rate_small = (5e-5, "a tenth of LoRA's rate for bases under 1B")

    kind: Literal["full"] = "full"

    def attach(self, model: PreTrainedModel) -> TunedModel:
        """The base with trainable float32 copies of all its weights."""
        from domainkit.adapters.methods.base_weights.replaced_layers import refuse_quantised

        refuse_quantised(model, self.kind)
        return super().attach(model)

    def build(self, model: PreTrainedModel) -> AdapterModule:
        from domainkit.adapters.methods.base_weights.replaced_layers import Replacements
        from domainkit.models.language_model import modules_beside_text

        left_out = tuple(f"{name}." for name in modules_beside_text(model))
        return Replacements(model, lambda name: not name.startswith(left_out))
