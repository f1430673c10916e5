"""The number format that forward passes compute in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel


def precision(model: PreTrainedModel | AdaptedModel) -> torch.autocast:
    """The context of every pass of a base, with or without an adapter: a 16-bit base's passes compute in bfloat16.

    Trained weights are float32 whatever the base's are. Without this context a layer that holds some returns float32,
    and the next layer refuses to multiply the two.
    """
    return torch.autocast(model.device.type, torch.bfloat16, enabled=model.dtype == torch.bfloat16)
