"""What adaptation methods share: declared abilities, hooks in a training run, and PEFT's wrapping."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from domainkit.adapters.folder import WEIGHTS
from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import task_type

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig, PeftConfig, PeftModel
    from transformers import PreTrainedModel

    from domainkit.adapters.adapter_module import AdapterModule
    from domainkit.adapters.micro_batch import MicroBatch
    from domainkit.adapters.tuned_model import AdaptedModel, TunedModel

log = logging.getLogger("domainkit")

Target = str | tuple[str, ...] | None
ForwardArguments = dict[str, Any]
"""Arguments of a transformers model's forward: tensors, flags and what one model alone reads."""
ParameterGroup = dict[str, Any]
"""A group of torch's optimizers: `params`, and options such as `lr`."""
PeftConfigDict = Mapping[str, Any]
"""The values of an adapter_config.json."""
LARGEST_WIDTH = 65_536
Width = Annotated[int, Field(ge=1, le=LARGEST_WIDTH)]
"""A rank, or a number of virtual tokens or features: more would fill the memory before anything could be said."""
SMALL = 1_000_000_000
"""Bases of fewer parameters take the upper end of a method's rates."""


class Abilities:
    """What a method can do. Declared on the class, because an adapter folder names only the method."""

    precisions: ClassVar[tuple[str, ...]] = ("none", "nf4", "int8")
    """Quantisations of the base that the method works on."""
    packs: ClassVar[bool] = True
    """Several examples may share a row: false for methods that put virtual tokens before each."""
    fresh_is_base: ClassVar[bool] = True
    """An untrained adapter changes no logit."""
    checkpoints: ClassVar[bool] = True
    """Works with gradient checkpointing."""
    published_rates: ClassVar[tuple[float, float] | None] = None
    """Lowest and highest peak learning rate in the default's sources; domainkit's own where nothing is published."""
    default_rate: ClassVar[tuple[float, str]]
    """Peak learning rate by default, and its source."""
    default_rate_small: ClassVar[tuple[float, str] | None] = None
    """The same for a base under 1B parameters, or of an unknown size; None: no other."""
    works_for_preferences: ClassVar[bool] = False
    """The base is the reference of preference training: fresh the adapter changes nothing, and it can be switched off.
    Set it only for a method that is tested so."""
    base_can_be_sharded: ClassVar[bool] = True
    """A part of the base stays frozen, which FSDP can shard."""
    why_not_mergeable: ClassVar[str | None] = None
    """What the method does that no change of weights does, as the end of a sentence: "it …". None: it can be merged."""

    @classmethod
    def lora_rank(cls, config: PeftConfigDict) -> int | None:
        """Rank of the matrix that the adapter adds to each weight; None when it is no sum with a matrix of low rank."""
        return None

    @classmethod
    def mixes_in_batch(cls, config: PeftConfigDict) -> bool:
        """Rows of this adapter share a forward pass with rows of other adapters and of the base."""
        return False

    @classmethod
    def n_tasks(cls, config: PeftConfigDict) -> int:
        """Tasks that the adapter distinguishes; 0 when it has none."""
        return 0

    @classmethod
    def forward_arguments(cls, config: Any, batch: MicroBatch) -> tuple[ForwardArguments, int]:
        """(arguments of the model's forward, columns by which virtual tokens move its logits). `config` is PEFT's."""
        return batch.inputs, 0

    @classmethod
    def cache_frozen_layers(cls, model: PeftModel) -> None:
        """Compute once what the method's frozen layers would compute in every forward pass of a server."""

    @classmethod
    def why_not_plain_lora(cls, config: PeftConfigDict, quantization: str) -> str | None:
        """Why no plain LoRA changes the same weights, as a sentence; None if one does. `quantization` is the base's."""
        if cls.lora_rank(config) is None:
            name = str(config.get("peft_type")).lower()
            return f"{name} changes weights by more than a matrix of low rank, so that no plain LoRA is the same"
        return None

    @classmethod
    def write_plain_lora(cls, base: PreTrainedModel, folder: Path, config: PeftConfigDict, out: Path) -> AdaptedModel:
        """Write to `out` the plain LoRA that changes the same weights as the adapter of `folder`; the base with that
        adapter.

        Raises ValueError or TypeError when the weights do not convert.
        """
        from safetensors.torch import save_file

        from domainkit.adapters.tuned_model import load_adapted

        model, rank = load_adapted(base, folder).eval(), cls.lora_rank(config)
        assert rank is not None
        lora, weights = cls.convert_to_lora(model, rank, config)
        lora.task_type, lora.inference_mode = config.get("task_type"), True
        sort_sets([lora])
        save_file({k: w.detach().cpu().contiguous() for k, w in weights.items()}, out / WEIGHTS, {"format": "pt"})
        lora.save_pretrained(str(out))
        return model

    @classmethod
    def convert_to_lora(
        cls, model: PeftModel, rank: int, config: PeftConfigDict
    ) -> tuple[LoraConfig, dict[str, torch.Tensor]]:
        """(config, weights by their names in the file) of the LoRA of `rank` that changes the same weights."""
        from peft import convert_to_lora

        lora, weights = convert_to_lora(model, rank=rank)
        return lora, weights


class MethodHooks(Abilities):
    """What a training run calls besides `attach`. `steps` are optimizer steps, `step` counts from 1."""

    def virtual_tokens(self) -> int:
        """Positions of the context that virtual tokens take."""
        return 0

    def task_names(self) -> tuple[str, ...]:
        """Names of the tasks that the method distinguishes; empty when it has none."""
        return ()

    def check_for_preferences(self) -> None:
        """Raises ConfigError for options with which the base cannot be the reference of preference training."""

    def prepare(self, model: AdaptedModel, steps: int, passes: Callable[[], Iterator[MicroBatch]]) -> None:
        """Setup, once before the first step; `passes()` iterates over the first epoch's forward passes."""

    def parameter_groups(self, parameters: dict[str, torch.nn.Parameter], rate: float) -> list[ParameterGroup] | None:
        """Optimizer groups, when parameters do not share one rate."""
        return None

    def penalty(self, model: AdaptedModel) -> torch.Tensor | None:
        """A scalar added to the step's loss."""
        return None

    def after_step(self, model: AdaptedModel, step: int) -> None:
        """Called when the optimizer has stepped and gradients are still there."""

    def state(self, model: AdaptedModel) -> dict[str, torch.Tensor]:
        """Tensors that a checkpoint must hold besides weights and optimizer."""
        return {}

    def restore(self, model: AdaptedModel, state: dict[str, torch.Tensor]) -> None:
        """Restore what `state` returned."""

    def save(self, model: AdaptedModel, folder: Path, fresh: dict[str, torch.Tensor]) -> None:
        """Write the folder in PEFT's layout; `fresh` holds copies of the trainable weights before the first step."""
        sort_sets(model.peft_config.values())
        model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)


class Adaptation(BaseModel, MethodHooks):
    """Base of the methods' configs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    kind: str

    @classmethod
    def default_learning_rate(cls, parameters: int | None = None) -> tuple[float, str]:
        """(peak learning rate, its source) for a base of this many parameters."""
        small = parameters is None or parameters <= SMALL
        return (small and cls.default_rate_small) or cls.default_rate

    def attach(self, model: PreTrainedModel) -> PeftModel | TunedModel:
        """The base (weights frozen) with the adapter's fresh, trainable float32 weights.

        Raises ConfigError when the method cannot work on this base or quantisation.
        """
        raise NotImplementedError


class NativeAdaptation(Adaptation):
    """Base of the methods that PEFT lacks: `build` makes the module that changes the base."""

    def build(self, model: PreTrainedModel) -> AdapterModule:
        """The method's fresh weights over `model`, detached."""
        raise NotImplementedError

    def attach(self, model: PreTrainedModel) -> TunedModel:
        """The base with fresh weights."""
        from domainkit.adapters.tuned_model import TunedConfig, TunedModel

        return TunedModel(model, self.build(model), TunedConfig(self))


def sort_sets(configs: Iterable[PeftConfig]) -> None:
    """PEFT keeps names of layers in sets and writes them as they come, which differs from process to process: the same
    training would write another adapter_config.json each time."""
    for config in configs:
        for name, value in list(vars(config).items()):
            if isinstance(value, set):
                setattr(config, name, sorted(value))


def wrap(model: PreTrainedModel, config: PeftConfig) -> PeftModel:
    """The base inside PEFT. Raises ConfigError when the config names no layer of it, or one that PEFT cannot wrap."""
    from peft import get_peft_model

    config.task_type = task_type(model)
    _leave_out(model, config)
    try:
        return get_peft_model(model, config)
    except ValueError as e:
        raise ConfigError(
            f"no layers to adapt: {e}",
            where="method.target",
            next_step="use all-linear, or the names in model.named_modules()",
        ) from e


def _leave_out(model: PreTrainedModel, config: PeftConfig) -> None:
    """Leave out what text never goes through, and linear layers that no adapter can be around."""
    import torch

    from domainkit.models.language_model import (
        linear_layers_read_directly,
        linear_layers_with_other_output,
        modules_beside_text,
    )

    target = getattr(config, "target_modules", None)
    if config.is_prompt_learning:
        return
    others = dict.fromkeys(linear_layers_with_other_output(model), "returns more than a tensor")
    others |= dict.fromkeys(linear_layers_read_directly(model), "has a weight that the model reads itself")
    named = [name for name in others if not isinstance(target, str) and name.rpartition(".")[2] in (target or ())]
    if named:
        raise ConfigError(
            f"{named[0]} {others[named[0]]}, so that PEFT cannot adapt it",
            where="method.target",
            next_step="leave it out: use all-linear, or the names of other layers",
        )
    left_out = [*modules_beside_text(model), *others]
    if not left_out:
        return
    log.info("not adapted, since no text goes through it, or no adapter can be around it: %s", ", ".join(left_out))
    excluded = rf"(?:{'|'.join(map(re.escape, left_out))})(?:\..*)?"
    if hasattr(config, "exclude_modules"):
        config.exclude_modules = excluded
        return
    # VeRA's configuration cannot exclude: the pattern says so itself.
    if target == "all-linear":
        head = model.get_output_embeddings()
        linear = [name for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head]
        target = {name.rpartition(".")[2] for name in linear if not re.fullmatch(excluded, name)}
    if not isinstance(target, str):
        target = rf"(?:.*\.)?(?:{'|'.join(sorted(map(re.escape, target or ())))})"
    vars(config)["target_modules"] = rf"(?!{excluded}$)(?:{target})"


def target_modules(target: Target) -> str | list[str] | None:
    """PEFT's target_modules: a list is one of names' ends, a string all-linear or a pattern, None PEFT's own choice.

    Raises ConfigError for a string that is not a pattern.
    """
    if isinstance(target, str):
        try:
            re.compile(target)
        except (re.error, RecursionError, OverflowError) as e:
            raise ConfigError(
                f"'{target}' is not a regular expression: {e}",
                where="method.target",
                next_step="write all-linear, a list of layer names, or a valid pattern",
            ) from e
    return list(target) if isinstance(target, tuple) else target
