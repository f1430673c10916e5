"""What the methods share: a frozen config, the hooks of a run that each does nothing by default, and PEFT's wrapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import task_type

Target = str | tuple[str, ...] | None
SMALL = 1_000_000_000
"""Bases of fewer parameters take the upper end of a method's rates."""


class Hooks:
    """What a run asks of a method besides `attach`. `steps` are optimizer steps, `step` counts from 1."""

    precisions: ClassVar[tuple[str, ...]] = ("none", "nf4", "int8")
    """Quantisations of the base that the method works on."""
    packs: ClassVar[bool] = True
    """Several examples may share a row: false for methods that put virtual tokens before each."""
    fresh_is_base: ClassVar[bool] = True
    """An untrained adapter changes no logit."""
    checkpoints: ClassVar[bool] = True
    """Works with gradient checkpointing."""
    known_rates: ClassVar[tuple[float, float] | None] = None
    """Lowest and highest peak learning rate published for the method, in the sources of its default; domainkit's own where none is."""

    def prepended(self) -> int:
        """Positions that virtual tokens take from the context."""
        return 0

    def tasks_of_rows(self) -> tuple[str, ...]:
        """Names of the tasks that examples are told apart by; empty when the method has none."""
        return ()

    def prepare(self, model: Any, steps: int, passes: Any) -> None:
        """Last words before the first step; `passes()` iterates over the first epoch's forward passes."""

    def parameter_groups(self, parameters: dict[str, Any], rate: float) -> list[dict[str, Any]] | None:
        """Optimizer groups, when parameters do not share one rate."""
        return None

    def penalty(self, model: Any) -> Any:
        """A scalar tensor added to the step's loss, or None."""
        return None

    def after_step(self, model: Any, step: int) -> None:
        """Called when the optimizer has stepped and gradients are still there."""

    def state(self, model: Any) -> dict[str, Any]:
        """Tensors that a checkpoint must hold besides weights and optimizer."""
        return {}

    def restore(self, model: Any, state: dict[str, Any]) -> None:
        """Put back what `state` gave."""

    def save(self, model: Any, folder: Path, fresh: dict[str, Any]) -> None:
        """Write the folder in PEFT's layout; `fresh` holds copies of the trainable weights before the first step."""
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)


def hooks(method: Any) -> Hooks:
    """The method's hooks; those that do nothing for a method that has none."""
    return method if isinstance(method, Hooks) else Hooks()


class Adaptation(BaseModel, Hooks):
    """Base of the methods' configs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def wrap(model: Any, config: Any) -> Any:
    """The base inside PEFT. Raises ConfigError when the config names no layer of it."""
    from peft import get_peft_model

    config.task_type = task_type(model)
    try:
        return get_peft_model(model, config)
    except ValueError as e:
        raise ConfigError(
            f"no layers to adapt: {e}",
            where="method.target",
            next_step="use all-linear, or the names in model.named_modules()",
        ) from e


def modules(target: Target) -> Any:
    """PEFT's target_modules: a list is one of names' ends, a string all-linear or a pattern, None PEFT's own choice."""
    return list(target) if isinstance(target, tuple) else target


def linear_layers(model: Any) -> list[Any]:
    """The base's linear layers, packed ones included."""
    import torch

    return [m for m in model.modules() if isinstance(m, torch.nn.Linear)]


def packing_of(model: Any) -> str:
    """How the base's weights are held in memory: none, nf4 or int8."""
    kinds = {type(layer).__name__ for layer in linear_layers(model)}
    return "nf4" if "Linear4bit" in kinds else "int8" if "Linear8bitLt" in kinds else "none"


def quantization_of(model: Any) -> str:
    """How the base's weights were quantised, packed in memory or not: none, nf4 or int8."""
    return getattr(model, "domainkit_quantization", None) or packing_of(model)


__all__ = [
    "SMALL",
    "Adaptation",
    "Hooks",
    "Target",
    "hooks",
    "linear_layers",
    "modules",
    "packing_of",
    "quantization_of",
    "wrap",
]
