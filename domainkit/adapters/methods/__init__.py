"""The table of adaptation methods: one file each, one line each.

A line names a frozen pydantic config, a subclass of `Adaptation`: its fields are the method's options, its class
variables and class methods declare what the method can do (`Abilities`), its verb is `attach`. The line's name is
PEFT's type in small letters.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from domainkit.adapters.folder import PEFT_CONFIG, read_json_object
from domainkit.errors import ConfigError, validation_error_text
from domainkit.messages import JsonObject
from domainkit.registry import Table

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import Abilities, Adaptation, ForwardArguments
    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel

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
        "multitask_prompt_tuning": "domainkit.adapters.methods.virtual_tokens.multitask_prompt_tuning:"
        "MultitaskPromptTuning",
        "loreft": "domainkit.adapters.methods.activations.loreft:LoReft",
        "direft": "domainkit.adapters.methods.activations.direft:DiReft",
        "bottleneck": "domainkit.adapters.methods.activations.bottleneck:BottleneckAdapter",
        "last_layers": "domainkit.adapters.methods.base_weights.last_layers:LastLayers",
        "full": "domainkit.adapters.methods.base_weights.full:Full",
    },
    group="domainkit.methods",
)

FOREIGN = Table(
    "adapter type",
    {
        "cpt": "domainkit.adapters.methods.foreign:VirtualTokens",
        "cartridge": "domainkit.adapters.methods.foreign:VirtualTokens",
        "adaption_prompt": "domainkit.adapters.methods.foreign:VirtualTokens",
        "reft": "domainkit.adapters.methods.foreign:Interventions",
        "miss": "domainkit.adapters.methods.foreign:Miss",
    },
)
"""Types that domainkit does not train, but can meet in a folder that PEFT wrote."""


def parse_method(name: str, options: JsonObject) -> Adaptation:
    """The method's config. Raises ConfigError for an unknown method, or that lists every wrong option."""
    config: type[Adaptation] = METHODS.load(name)
    try:
        return config(**options)
    except ValidationError as e:
        faults = "; ".join(f"method.{validation_error_text(error, config)}" for error in e.errors())
        raise ConfigError(faults, next_step="domainkit methods lists the options of every method") from e


def read_adapter_config(folder: str | Path) -> JsonObject:
    """The values of the folder's adapter_config.json; `peft_type` is always there, empty when the file names none."""
    values = read_json_object(Path(folder), PEFT_CONFIG)
    return {**values, "peft_type": str(values.get("peft_type") or "")}


def abilities_of(peft_type: str) -> type[Abilities]:
    """What the method behind the `peft_type` of an adapter_config.json declares; the defaults for an unknown type."""
    from domainkit.adapters.adaptation import Abilities

    name = peft_type.lower()
    table = next((table for table in (METHODS, FOREIGN) if name in table), None)
    declared = table.load(name) if table is not None else Abilities
    return declared if issubclass(declared, Abilities) else Abilities


def forward_arguments(model: torch.nn.Module, batch: MicroBatch) -> tuple[ForwardArguments, int]:
    """(arguments of the model's forward for a pass, columns by which virtual tokens move its logits).

    `model` is a base, or a base with an adapter of any method.
    """
    config = getattr(model, "active_peft_config", None)
    if config is None:
        return batch.inputs, 0
    return abilities_of(config.peft_type.lower()).forward_arguments(config, batch)


@contextmanager
def peft_warnings_muted() -> Iterator[None]:
    """PEFT calls properties that transformers has renamed: a user can do nothing about their deprecation."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)
        warnings.filterwarnings("ignore", message="lora with eva initialization used with low_cpu_mem_usage=False")
        yield


def attach(method: Adaptation, model: PreTrainedModel) -> AdaptedModel:
    """`method.attach`, without the warnings of other libraries about each other."""
    with peft_warnings_muted():
        return cast("AdaptedModel", method.attach(model))
