"""Supervised fine-tuning: cross-entropy of the supervised tokens; the vocabulary head runs at their positions only."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from domainkit.adapters.methods import forward_arguments
from domainkit.adapters.micro_batch import MicroBatch
from domainkit.models.precision import precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.tuned_model import AdaptedModel

_PLAIN_HEADS: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()
"""What `head_is_plain` has found, by model."""
CHUNK = 512
"""Positions whose logits are in memory at a time when there are many: 100 MB in float32 for a vocabulary of 49,152."""


def supervised_loss(model: AdaptedModel, one: MicroBatch) -> torch.Tensor:
    """Sum of the cross-entropy over the pass's supervised tokens, in nats. Divide by the optimizer batch's supervised
    tokens.

    Few positions go through the model's own forward, so its logit scaling and capping apply. Many go through the head
    in chunks that are recomputed in the backward pass, after checking that the head alone gives the model's logits.
    """
    if len(one.targets) <= CHUNK or one.decoder_ids is not None or not head_is_plain(model):
        return cross_entropy(supervised_logits(model, one), one.targets, reduction="sum")
    base = model.get_base_model()
    hidden = base.get_decoder()(**forward_arguments(model, one)[0]).last_hidden_state[one.rows, one.columns]
    total = hidden.new_zeros((), dtype=torch.float32)
    for states, targets in zip(hidden.split(CHUNK), one.targets.split(CHUNK), strict=True):
        total = total + checkpoint(_chunk_loss, base.get_output_embeddings(), states, targets, use_reentrant=False)
    return total


def supervised_logits(model: PreTrainedModel | AdaptedModel, one: MicroBatch) -> torch.Tensor:
    """float32 (n, vocabulary): the logits from which the pass's supervised tokens are predicted."""
    inputs, shift = forward_arguments(model, one)
    with precision(model):
        if one.decoder_ids is not None:  # it holds answers only
            return model(**inputs).logits[one.rows, one.columns].float()
        columns, places = (one.columns + shift).unique(return_inverse=True)
        return model(**inputs, logits_to_keep=columns).logits[one.rows, places].float()


def _chunk_loss(head: torch.nn.Module, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(head(hidden).float(), targets, reduction="sum")


def head_is_plain(model: AdaptedModel) -> bool:
    """Whether logits are the head applied to the decoder's output and nothing more; found by trial, once per model."""
    if model not in _PLAIN_HEADS:
        _PLAIN_HEADS[model] = _try_head(model)
    return _PLAIN_HEADS[model]


@torch.no_grad()
def _try_head(model: AdaptedModel) -> bool:
    if getattr(getattr(model, "active_peft_config", None), "is_prompt_learning", False):
        return False
    base = model.get_base_model()
    ids = torch.arange(8, device=base.device)[None]
    was_training = model.training
    model.eval()
    try:
        with precision(model):
            expected = base(input_ids=ids, use_cache=False).logits
            hidden = base.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
            projected = base.get_output_embeddings()(hidden)
    except (AttributeError, TypeError, RuntimeError):
        return False
    finally:
        model.train(was_training)
    return torch.allclose(expected.float(), projected.float(), rtol=1e-4, atol=1e-4)
