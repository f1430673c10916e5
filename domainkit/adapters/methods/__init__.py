"""The table of adaptation methods: one file each, one line each.

A line names a frozen pydantic config that is a `Method`: its fields are the method's options, and its verb is `attach`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from pydantic import ValidationError

from domainkit.errors import ConfigError, validation_error_text
from domainkit.registry import Table

METHODS = Table(
    "method",
    {
        "lora": "domainkit.adapters.methods.low_rank.lora:Lora",
        "adalora": "domainkit.adapters.methods.low_rank.adalora:AdaLora",
        "ia3": "domainkit.adapters.methods.activations.ia3:Ia3",
        "loha": "domainkit.adapters.methods.low_rank.loha:Loha",
        "lokr": "domainkit.adapters.methods.low_rank.lokr:Lokr",
        "oft": "domainkit.adapters.methods.orthogonal.oft:Oft",
        "boft": "domainkit.adapters.methods.orthogonal.boft:Boft",
        "vera": "domainkit.adapters.methods.low_rank.vera:Vera",
        "prefix_tuning": "domainkit.adapters.methods.virtual_tokens.prefix_tuning:PrefixTuning",
        "p_tuning": "domainkit.adapters.methods.virtual_tokens.p_tuning:PTuning",
        "prompt_tuning": "domainkit.adapters.methods.virtual_tokens.prompt_tuning:PromptTuning",
        "multitask_prompt_tuning": "domainkit.adapters.methods.virtual_tokens.multitask_prompt_tuning:MultitaskPromptTuning",
        "loreft": "domainkit.adapters.methods.activations.loreft:LoReft",
        "direft": "domainkit.adapters.methods.activations.direft:DiReft",
        "bottleneck": "domainkit.adapters.methods.activations.bottleneck:BottleneckAdapter",
        "last_layers": "domainkit.adapters.methods.base_weights.last_layers:LastLayers",
        "full": "domainkit.adapters.methods.base_weights.full:Full",
    },
    group="domainkit.methods",
)


class Method(Protocol):
    """How a base is adapted. `packs`: several examples may share a row (false for methods that prepend virtual tokens)."""

    kind: str
    packs: ClassVar[bool]

    @classmethod
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        """(peak learning rate, where it comes from) for a base of so many parameters."""
        ...

    def attach(self, model: Any) -> Any:
        """The base (weights frozen) with the adapter's fresh, trainable float32 weights: a PeftModel, or alike.

        Raises ConfigError when the method cannot work on this base or quantisation.
        """
        ...

    def model_dump(self) -> dict[str, Any]: ...


def parse_method(name: str, options: dict[str, Any]) -> Method:
    """The method's config. Raises ConfigError for an unknown method, or that lists every wrong option."""
    config = METHODS.load(name)
    try:
        return config(**options)
    except ValidationError as e:
        faults = "; ".join(f"method.{validation_error_text(error, config)}" for error in e.errors())
        raise ConfigError(faults, next_step="domainkit methods lists the options of every method") from e


@contextmanager
def peft_warnings_muted() -> Iterator[None]:
    """PEFT calls properties that transformers has renamed: their deprecation is nothing a user could act on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="lora with eva initialization used with low_cpu_mem_usage=False")
        yield


def attach(method: Method, model: Any) -> Any:
    """`method.attach`, without other libraries' warnings to one another."""
    with peft_warnings_muted():
        return method.attach(model)


__all__ = ["METHODS", "Method", "attach", "parse_method", "peft_warnings_muted"]
