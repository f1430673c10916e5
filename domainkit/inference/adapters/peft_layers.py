"""The adapters that PEFT holds in layers of the base: added to it, used by a forward pass, removed again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch

from domainkit.adapters.methods.low_rank.lora import BASE_CHANGING_STARTS
from domainkit.adapters.peft_loading import load_peft_adapter
from domainkit.errors import AdapterError
from domainkit.inference.engine.acceleration.mixed_lora import LoraModule, MixedLora, frozen

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
        self._as_saved: dict[torch.nn.Module, torch.nn.Parameter] = {}  # see `mix`
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
        """Read the adapter of `folder` into the layers.

        Raises AdapterError for tensors that are not the adapter's, ConflictError beside adapters that cannot share the
        layers, and PEFT's errors. After an error only a snapshot puts the layers back.
        """
        self._active, self._disabled = None, False  # PEFT enables new layers
        self._host = load_peft_adapter(self._model, folder, name, host=self._host)
        if len(self._host.peft_config) > 1:
            check_nesting(self._host)
        self._host.requires_grad_(False)

    def modules(self) -> list[torch.nn.Module]:
        """The modules that loading may change."""
        return [self._host or self._model]

    def parts(self) -> list[object]:
        """The objects that say what is loaded."""
        return [self, self._mixed_lora]

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits of PEFT's own pass, with the adapter that is in use; the newest one as it was saved."""
        assert self._host is not None
        served = _exchange(self._as_saved)
        try:
            return self._host(**inputs, use_cache=False).logits
        finally:
            _exchange(served)

    def cache_frozen_layers(self, method: type[Abilities]) -> None:
        """Compute once what the method's layers would compute in every pass."""
        assert self._host is not None
        method.cache_frozen_layers(self._host)

    def mix(self, name: str) -> bool:
        """Let rows of this plain LoRA adapter share passes with others; False when it has layers that cannot.

        Over a bfloat16 base it is served in that type. As float32, each layer would convert its input and its output,
        and multiply at half the rate. Until `forget_saved`, the numbers of the file are kept for comparison.
        """
        from peft.tuners.lora.layer import LoraLayer

        assert self._host is not None
        layers = [m for m in self._host.modules() if isinstance(m, LoraLayer) and _has_adapter(m, name)]
        if not layers or not all(type(layer).__name__ in MIXABLE_LAYERS for layer in layers):
            return False
        # float16 has not the range of float32.
        if self._model.dtype == torch.bfloat16:
            linears: list[Any] = [weights[name] for layer in layers for weights in (layer.lora_A, layer.lora_B)]
            narrow = {m: frozen(m.weight.to(torch.bfloat16)) for m in linears if m.weight.dtype == torch.float32}
            self._as_saved = _exchange(narrow)
        self._mixed_lora.add_layers(cast("list[LoraModule]", layers))
        return True

    def serve_as_saved(self) -> bool:
        """Serve the newest adapter with the numbers of its file; False if it is."""
        if not self._as_saved:
            return False
        _exchange(self._as_saved)
        self.forget_saved()
        self._mixed_lora.restack()
        return True

    def forget_saved(self) -> None:
        """Free the numbers of the newest adapter's file, where it is served with others."""
        self._as_saved = {}

    def remove(self, name: str) -> None:
        """Remove one of several adapters; `clear` removes the last one."""
        assert self._host is not None
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

    def use_mixed(self, rows: Mapping[str, RowIndex], shape: tuple[int, int] = (0, 0)) -> None:
        """The next passes, of (rows, tokens), compute the base, and for the rows of each plain LoRA that adapter."""
        self._mixed_lora.start_pass(rows, shape)
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


def _exchange(weights: Mapping[torch.nn.Module, torch.nn.Parameter]) -> dict[torch.nn.Module, torch.nn.Parameter]:
    """Give the modules these weights. Returns those that they had."""
    before = {module: cast("torch.nn.Parameter", module.weight) for module in weights}
    for module, weight in weights.items():
        module.weight = weight
    return before


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


class ConflictError(Exception):
    """An adapter cannot be in the layers beside those that are there."""


def check_nesting(host: PeftModel) -> None:
    """Raises ConflictError when one adapter trains a copy of a module and another one changes layers in it.

    PEFT would put the wrapper of the one around that of the other, and then both compute something else.
    """
    from peft.tuners.trainable_tokens.layer import TrainableTokensLayer
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    copied: list[str] = []  # named_modules goes from the outer modules to the inner ones
    changed: list[str] = []
    for path, module in host.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in copied)
        if isinstance(module, AuxiliaryTrainingWrapper):
            if inside or any(path.startswith(f"{outer}.") for outer in changed):
                raise ConflictError(path)
            copied.append(path)
        elif isinstance(module, BaseTunerLayer) and not isinstance(module, TrainableTokensLayer):
            if inside:
                raise ConflictError(path)
            changed.append(path)


def _restore_base_layers(model: torch.nn.Module) -> None:
    """PEFT's `unload` would leave trained copies of whole modules in the base."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for name, child in list(model.named_children()):
        original: Any = child  # one wrapper may be around another
        while isinstance(original, (AuxiliaryTrainingWrapper, BaseTunerLayer)):
            if isinstance(original, AuxiliaryTrainingWrapper):
                original = original.original_module
            else:
                original = original.get_base_layer()
        if original is not child:
            setattr(model, name, original)
        _restore_base_layers(original)
    for mark in ("peft_config", "_hf_peft_config_loaded"):  # PEFT's, on a base with adapters
        model.__dict__.pop(mark, None)
