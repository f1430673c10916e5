"""The card of a training run, and the adapter folder that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from domainkit.adapters.adaptation import MethodHooks
from domainkit.adapters.folder import WEIGHTS, Card, birth_facts, write_card
from domainkit.models.load import LoadedBase
from domainkit.models.templates.chat_template import ChatTemplate
from domainkit.storage import sha256_file, staged_folder
from domainkit.training.config import PreferenceConfig, TrainConfig
from domainkit.training.optimization.checkpoints import Ledger

if TYPE_CHECKING:
    from domainkit.adapters.tuned_model import AdaptedModel


def make_card(
    base: LoadedBase, config: TrainConfig | PreferenceConfig, model: AdaptedModel, ledger: Ledger, **facts: Any
) -> Card:
    """The card of a run. `facts` are the fields that only the caller knows; `save_adapter` adds the weights' hash."""
    from domainkit import __version__

    tail = [loss for _, loss in ledger.losses[-max(1, len(ledger.losses) // 10) :]]
    return Card(
        base=config.base,
        base_fingerprint=base.source.fingerprint,
        revision=base.source.revision,
        quantization=base.quantization,
        method=config.method,
        config=config.model_dump(),
        prompt_format=prompt_format(base.chat_template),
        tokens=ledger.tokens,
        supervised_tokens=ledger.supervised,
        losses=list(ledger.losses),
        final_loss=sum(tail) / len(tail) if tail else None,
        seconds=round(ledger.seconds, 3),
        tokens_per_second=round(ledger.tokens / ledger.seconds, 1) if ledger.seconds else 0.0,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        **birth_facts(),
        weights_sha256="",
        domainkit=__version__,
        **facts,
    )


def prompt_format(template: ChatTemplate) -> str:
    """The prompt as the model reads it when a row has no system turn; {question} stands for the user's words."""
    question = [{"role": "user", "content": "{question}"}]
    return cast("str", template.tokenizer.decode(template.encode_chat(question, add_generation_prompt=True)))


def save_adapter(
    model: AdaptedModel, card: Card, out: Path, hooks: MethodHooks, fresh: dict[str, torch.Tensor]
) -> None:
    """Write PEFT's folder with the card, whole or not at all. `fresh`: the trainable weights before the first step."""
    with staged_folder(out) as staged:
        for config in model.peft_config.values():
            config.base_model_name_or_path, config.revision = card.base, card.revision
        hooks.save(model, staged, fresh)
        (staged / "README.md").unlink(missing_ok=True)  # PEFT's empty form; the card has the facts
        write_card(staged, card.model_copy(update={"weights_sha256": sha256_file(staged / WEIGHTS)}))
