"""Prefix tuning: learnt keys and values before every layer's own (arXiv 2101.00190)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from domainkit.adapters.methods.virtual_tokens.prompt_learning import START, VirtualTokens, token_ids, wrap_virtual
from domainkit.models.encoder_decoder import architecture_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments
    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel


class PrefixTuning(VirtualTokens):
    """Prefix tuning (arXiv 2101.00190): learnt keys and values in front of every layer's attention; the base's layers
    stay as they are."""

    checkpoints = False  # recomputed layers get no cache, and so no prefix
    published_rates = (5e-5, 3e-2)
    # With the start from text, fewer tokens and this rate PEFT's comparison more than doubled the method's score.
    default_rate = (5e-3, "PEFT's method comparison, with a start from text")

    kind: Literal["prefix_tuning"] = "prefix_tuning"
    init: Literal["text", "random"] = "text"
    """Start: the base's own keys and values of `text`, or random numbers, which disturb every layer."""
    text: str = START
    """Text to start from with init=text, repeated or cut to the number of virtual tokens."""

    @classmethod
    def forward_arguments(cls, config: object, batch: MicroBatch) -> tuple[ForwardArguments, int]:
        """PEFT passes the prefix as a cache, and moves the positions."""
        inputs = {name: value for name, value in batch.inputs.items() if name != "segments"}
        return {**inputs, "use_cache": True}, 0

    def attach(self, model: PreTrainedModel) -> PeftModel:
        from peft import PrefixTuningConfig

        wrapped = wrap_virtual(
            model, PrefixTuningConfig(num_virtual_tokens=self.tokens, **_shape(model)), in_layers=True
        )
        if self.init == "text":
            _start_from_text(wrapped, token_ids(wrapped, self.text, self.tokens))
        return wrapped


def _shape(model: PreTrainedModel) -> dict[str, Any]:
    """The shape of an encoder-decoder's prefix, which is its decoder's: its heads need not have the width hidden size /
    heads that PEFT assumes, nor its stack the encoder's depth.
    """
    if not architecture_of(model).has_encoder:
        return {}
    config = model.get_decoder().config
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    return {"num_layers": config.num_hidden_layers, "num_attention_heads": heads, "token_dim": heads * width}


def _start_from_text(model: AdaptedModel, ids: list[int]) -> None:
    import torch
    from peft.tuners.cartridge.utils import initialize_kv_prefix_from_past_key_values

    base = model.get_base_model()
    row = torch.tensor([ids], device=base.device)
    was_training = base.training
    base.eval()
    with torch.no_grad():
        cache = architecture_of(base).decoder_cache(base, row)
    base.train(was_training)
    initialize_kv_prefix_from_past_key_values(model, past_key_values=cache, num_virtual_tokens=len(ids))
