"""The adapters that PEFT holds in layers of the base: added to it, used by a forward pass, removed again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS
from domainkit.adapters.methods.low_rank.lora import BASE_CHANGING_STARTS
from domainkit.errors import AdapterError
from domainkit.inference.engine.acceleration.mixed_lora import LoraModule, MixedLora

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel
    from peft.tuners.tuners_utils import BaseTuner
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import Abilities
    from domainkit.inference.engine.acceleration.row_index import RowIndex

MIXABLE_LAYERS = ("Linear", "Linear4bit", "Linear8bitLt")
"""Classes of PEFT's LoRA layers to whose output each row can add its own BAx."""


class PeftLayers:
    """Adapters of one PEFT type in the layers of `model`. PEFT cannot hold several types at once."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._host: PeftModel | None = None  # PEFT's wrapper, through which adapters are added and removed
        self._mixed_lora = MixedLora()
        self._active: str | None = None  # the adapter that PEFT's layers compute now; None: unknown
        self._disabled = False

    @property
    def peft_type(self) -> str | None:
        """The type of the adapters; None without any."""
        if self._host is None:
            return None
        return type_of(next(iter(self._host.peft_config.values())))

    # ---- adapters come and go ----

    def add(self, folder: str, name: str) -> None:
        """Read the adapter of `folder` into the layers. Raises AdapterError for missing weights, and PEFT's errors."""
        from peft import PeftModel

        alias_renamed_property()
        self._active, self._disabled = None, False  # PEFT enables new layers
        if self._host is None:
            self._host = PeftModel.from_pretrained(self._model, folder, adapter_name=name, is_trainable=False)
        else:
            self._host.load_adapter(folder, adapter_name=name, is_trainable=False)
        missing = _missing_weights(self._host, folder, name)
        if missing:
            raise AdapterError(
                f"its weights are incomplete: {len(missing)} are missing, {missing[0]} among them",
                where=folder,
                next_step="copy the folder again, or train again",
            )
        self._host.requires_grad_(False)
        self._host.eval()

    def cache_frozen_layers(self, method: type[Abilities]) -> None:
        """Compute once what the method's layers would compute in every pass."""
        assert self._host is not None
        method.cache_frozen_layers(self._host)

    def mix(self, name: str) -> bool:
        """Let rows of this plain LoRA adapter share passes with others; False when it has layers that cannot."""
        from peft.tuners.lora.layer import LoraLayer

        assert self._host is not None
        layers = [m for m in self._host.modules() if isinstance(m, LoraLayer) and _has_adapter(m, name)]
        if not layers or not all(type(layer).__name__ in MIXABLE_LAYERS for layer in layers):
            return False
        self._mixed_lora.add_layers(cast("list[LoraModule]", layers))
        return True

    def remove(self, name: str) -> None:
        """Remove one of several adapters; `clear` removes the last one."""
        assert self._host is not None
        if name not in self._host.peft_config:  # it failed while it was read
            return
        others = [n for n in self._host.peft_config if n != name]
        if name in self._host.active_adapters and others:  # PEFT would choose one itself, with a warning
            self._host.set_adapter(others[0])
        self._host.delete_adapter(name)
        self._mixed_lora.restack()
        self._active = None

    def clear(self) -> None:
        """Remove all adapters, and put the base's own layers back."""
        self._mixed_lora.clear()
        _restore_base_layers(self._model)
        self._host, self._active, self._disabled = None, None, False

    # ---- forward passes ----

    def use_mixed(self, rows: Mapping[str, RowIndex]) -> None:
        """The next passes compute the base, and for the rows of each plain LoRA adapter that adapter."""
        self._mixed_lora.start_pass(rows)
        if self._host is not None and not self._disabled:
            cast("BaseTuner", self._host.base_model).disable_adapter_layers()
            self._active, self._disabled = None, True

    def use_one(self, name: str) -> None:
        """The next passes compute one adapter for all rows."""
        assert self._host is not None
        self._mixed_lora.start_pass({})
        if self._active != name:
            cast("BaseTuner", self._host.base_model).enable_adapter_layers()
            self._host.set_adapter(name)
            self._active, self._disabled = name, False


def alias_renamed_property() -> None:
    """Monkey-patch for PEFT, which reads a property that transformers 5 has renamed, and so makes it warn.

    The old name becomes the new property. A warnings filter would change what all threads of the process see.
    """
    from transformers import PreTrainedModel

    renamed = getattr(PreTrainedModel, "is_activation_checkpointing", None)
    if renamed is not None:
        PreTrainedModel.is_gradient_checkpointing = renamed  # type: ignore[method-assign]


def read_config(folder: str) -> PeftConfig:
    """The folder's adapter_config.json. Raises AdapterError when this PEFT cannot read it."""
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(folder)
    except (ValueError, TypeError, KeyError) as e:
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {e}", where=folder, next_step="update peft, or train it again"
        ) from e


def type_of(config: PeftConfig) -> str:
    """PEFT's name of the method, such as LORA."""
    from peft import PeftType

    return PeftType(config.peft_type).value


def check_removable(config: PeftConfig, folder: str) -> None:
    """Raises AdapterError for an adapter that changes weights of the base and cannot be removed again."""
    bias = getattr(config, "bias", "none") or "none"
    init = getattr(config, "init_lora_weights", True)
    if bias != "none":
        option = f"bias={bias}"
    elif isinstance(init, str) and init.lower().startswith(BASE_CHANGING_STARTS):
        option = f"init_lora_weights={init}"
    else:
        return
    raise AdapterError(
        f"{option} changes the base's own weights, which other requests share",
        where=folder,
        next_step="merge it into a base of its own, or save it converted to plain LoRA",
    )


def _has_adapter(layer: Any, name: str) -> bool:
    return name in layer.lora_A or name in layer.lora_embedding_A


def _missing_weights(host: PeftModel, folder: str, name: str) -> list[str]:
    """Weights that the adapter should have and its file does not."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(Path(folder) / WEIGHTS, framework="pt") as file:
        stored = set(file.keys())
    # Not "auto": that asks the hub whether the base's vocabulary has grown.
    expected = get_peft_model_state_dict(host, adapter_name=name, save_embedding_layers=False)
    return sorted(set(expected) - stored)


def _restore_base_layers(model: torch.nn.Module) -> None:
    """PEFT's `unload` would leave trained copies of whole modules in the base."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for path, module in list(model.named_modules()):
        if isinstance(module, AuxiliaryTrainingWrapper):
            model.set_submodule(path, module.original_module)
        elif isinstance(module, BaseTunerLayer):
            model.set_submodule(path, module.get_base_layer())
    for name in ("peft_config", "_hf_peft_config_loaded"):  # PEFT's marks on a base with adapters
        model.__dict__.pop(name, None)
