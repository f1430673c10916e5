"""The table of adaptation methods: one file each, one line each.

A line names a frozen pydantic config that is a `Method`: its fields are the method's options, and its verb is `attach`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

from pydantic import ValidationError

from domainkit.errors import ConfigError
from domainkit.registry import Table
from domainkit.training.config import describe

METHODS = Table(
    "method",
    {
        "lora": "domainkit.training.methods.lora:Lora",
        "adalora": "domainkit.training.methods.adalora:AdaLora",
        "ia3": "domainkit.training.methods.ia3:Ia3",
        "loha": "domainkit.training.methods.loha:Loha",
        "lokr": "domainkit.training.methods.lokr:Lokr",
        "oft": "domainkit.training.methods.oft:Oft",
        "boft": "domainkit.training.methods.boft:Boft",
        "vera": "domainkit.training.methods.vera:Vera",
        "prefix_tuning": "domainkit.training.methods.prefix_tuning:PrefixTuning",
        "p_tuning": "domainkit.training.methods.p_tuning:PTuning",
        "prompt_tuning": "domainkit.training.methods.prompt_tuning:PromptTuning",
        "multitask_prompt_tuning": "domainkit.training.methods.multitask_prompt_tuning:MultitaskPromptTuning",
        "loreft": "domainkit.training.methods.loreft:LoReft",
        "direft": "domainkit.training.methods.direft:DiReft",
        "bottleneck": "domainkit.training.methods.bottleneck:BottleneckAdapter",
        "last_layers": "domainkit.training.methods.last_layers:LastLayers",
        "full": "domainkit.training.methods.full:Full",
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
        faults = "; ".join(f"method.{describe(error, config)}" for error in e.errors())
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
