"""What every training run ends with: whether the adapter learnt, its card, its folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from domainkit.adapters.adaptation import Hooks
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS, Card, write_card
from domainkit.errors import ConfigError, TrainingError
from domainkit.machine import hardware, versions
from domainkit.models.chat_template import ChatTemplate
from domainkit.models.load import LoadedBase
from domainkit.storage import sha256_file, staged_folder
from domainkit.training.config import PreferenceConfig, TrainConfig


def check_out(out: Path) -> None:
    """An adapter may be replaced by a new one; nothing else is ever overwritten. Raises ConfigError."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / PEFT_CONFIG).is_file()):
        raise ConfigError("exists and is no adapter", where=f"out={out}", next_step="choose a new folder")


def trainable_weights(model: Any) -> dict[str, torch.Tensor]:
    """Copies of the trainable weights, in main memory."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def check_learnt(model: Any, fresh: dict[str, torch.Tensor], *, otherwise: str = "as the base does") -> None:
    """Every weight is a number, and some have moved since `fresh`: otherwise the adapter answers `otherwise`, and loads without a
    word. Raises TrainingError."""
    trained = trainable_weights(model)
    broken = [name for name, w in trained.items() if not bool(torch.isfinite(w).all())]
    if broken:
        raise TrainingError(
            f"the trained weights hold values that are not numbers: {', '.join(broken[:3])}",
            next_step="lower the learning rate",
        )
    if all(torch.equal(w, fresh[name]) for name, w in trained.items()):
        raise TrainingError(
            f"training changed no weight, so the adapter would answer exactly {otherwise}",
            next_step="raise the learning rate or train for more epochs",
        )


def make_card(
    base: LoadedBase,
    config: TrainConfig | PreferenceConfig,
    model: Any,
    *,
    losses: Sequence[tuple[int, float]],
    tokens: int,
    supervised: int,
    seconds: float,
    **facts: Any,
) -> Card:
    """The card of a run that took `seconds`; `facts` are the fields that only the caller knows. The weights' hash comes with `save`."""
    from domainkit import __version__

    tail = [loss for _, loss in losses[-max(1, len(losses) // 10) :]]
    return Card(
        base=config.base,
        base_fingerprint=base.source.fingerprint,
        revision=base.source.revision,
        quantization=base.quantization,
        method=config.method,
        config=config.model_dump(),
        prompt_format=prompt_format(base.chat_template),
        tokens=tokens,
        supervised_tokens=supervised,
        losses=list(losses),
        final_loss=sum(tail) / len(tail) if tail else None,
        seconds=round(seconds, 3),
        tokens_per_second=round(tokens / seconds, 1) if seconds else 0.0,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        hardware=hardware(),
        versions=versions(),
        weights_sha256="",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        domainkit=__version__,
        **facts,
    )


def prompt_format(template: ChatTemplate) -> str:
    """The prompt as the model reads it when a row has no system turn; {question} stands for the user's words."""
    question = [{"role": "user", "content": "{question}"}]
    return template.tokenizer.decode(template.encode_chat(question, add_generation_prompt=True))


def save(model: Any, card: Card, out: Path, hooks: Hooks, fresh: dict[str, torch.Tensor]) -> None:
    """PEFT's own folder, and the card, in one move."""
    with staged_folder(out) as staged:
        for config in model.peft_config.values():
            config.base_model_name_or_path, config.revision = card.base, card.revision
        hooks.save(model, staged, fresh)
        (staged / "README.md").unlink(missing_ok=True)  # PEFT's empty form; the card says what is known
        write_card(staged, card.model_copy(update={"weights_sha256": sha256_file(staged / WEIGHTS)}))


__all__ = ["check_learnt", "check_out", "make_card", "prompt_format", "save", "trainable_weights"]
