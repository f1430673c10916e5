"""P-tuning: virtual tokens written by a small network while training (arXiv 2103.10385)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from domainkit.adapters.adaptation import Width
from domainkit.adapters.methods.virtual_tokens.prompt_learning import VirtualTokens, wrap_virtual

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class PTuning(VirtualTokens):
    """P-tuning (arXiv 2103.10385): virtual tokens before the prompt, written by a small network that only training
    needs."""

    published_rates = (1e-5, 5e-3)
    default_rate = (1e-3, "PEFT's method comparison, the best of 5e-5 to 5e-3 at 50 virtual tokens")

    kind: Literal["p_tuning"] = "p_tuning"
    encoder: Literal["mlp", "lstm"] = "mlp"
    """The network: two hidden layers, or an LSTM before them, as in the paper; slower."""
    hidden: Width | None = None
    """The network's width; left out, the base's hidden size."""

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import PromptEncoderConfig

        config = PromptEncoderConfig(
            num_virtual_tokens=self.tokens,
            encoder_reparameterization_type=self.encoder.upper(),
            encoder_hidden_size=self.hidden or model.config.get_text_config().hidden_size,
        )
        return wrap_virtual(model, config)
