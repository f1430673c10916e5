"""TunedModel: a base with an adaptation that PEFT lacks. It behaves as PEFT's wrapper and writes PEFT's layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from domainkit.adapters.adaptation import NativeAdaptation
from domainkit.adapters.adapter_module import AdapterModule
from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS
from domainkit.adapters.methods import abilities_of, peft_warnings_muted, read_adapter_config
from domainkit.adapters.peft_loading import check_finite, load_peft_adapter
from domainkit.errors import AdapterError, ConfigError, validation_error_text
from domainkit.models.encoder_decoder import task_type
from domainkit.models.precision import precision
from domainkit.storage import write_text

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

    class AdaptedModel(PeftModel):
        """A base with an adapter: a PeftModel with fuller annotations, or a TunedModel, which behaves as one."""

        device: torch.device
        dtype: torch.dtype

        def get_base_model(self) -> PreTrainedModel: ...


IDENTITY = ("peft_type", "base_model_name_or_path", "revision", "task_type", "inference_mode")
"""The fields of adapter_config.json that are not the method's options."""


class TunedConfig:
    """The adapter_config.json of a method that PEFT lacks: PEFT's fields, and the method's options."""

    is_prompt_learning = False
    task_type = "CAUSAL_LM"

    def __init__(self, method: NativeAdaptation) -> None:
        self.method = method
        self.peft_type = method.kind.upper()
        self.base_model_name_or_path: str | None = None
        self.revision: str | None = None
        self.inference_mode = False

    def to_dict(self) -> dict[str, object]:
        fields = {name: getattr(self, name) for name in IDENTITY} | {"inference_mode": True}
        return fields | {k: v for k, v in self.method.model_dump(mode="json").items() if k != "kind"}


class TunedModel(torch.nn.Module):
    """`model` with an adapter module attached; called, saved and disabled as a PeftModel is."""

    _hf_peft_config_loaded = True
    """Shows transformers' Trainer that the quantised weights are not trained."""

    def __init__(self, model: PreTrainedModel, tuning: AdapterModule, config: TunedConfig) -> None:
        super().__init__()
        self.dtype = model.dtype
        self.base_model: Any = model  # also a GenerationMixin, which PreTrainedModel does not declare
        self.tuning = tuning
        config.task_type = task_type(model)
        self.peft_config = {"default": config}
        self.active_adapter = "default"
        self.train(model.training)
        tuning.attach()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The base's forward. A positional module also takes `prompt_ends` (B): positions of each row's prompt."""
        if self.tuning.positional and (ends := kwargs.pop("prompt_ends", None)) is not None:
            self.tuning.prompt_ends = ends
        with precision(cast("AdaptedModel", self)):
            return self.base_model(*args, **kwargs)

    def generate(self, *args: object, **kwargs: object) -> object:
        with precision(cast("AdaptedModel", self)):
            return self.base_model.generate(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_model":
                raise
            return getattr(self.base_model, name)

    # ---- as PEFT's wrapper

    @property
    def positional(self) -> bool:
        return self.tuning.positional

    @property
    def active_peft_config(self) -> TunedConfig:
        return self.peft_config["default"]

    @property
    def device(self) -> torch.device:
        return self.base_model.device

    def get_base_model(self) -> PreTrainedModel:
        return self.base_model

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The base alone."""
        self.tuning.detach()
        try:
            yield
        finally:
            self.tuning.attach()

    def unload(self) -> PreTrainedModel:
        """The base, as it was before."""
        self.tuning.detach()
        return self.base_model

    def merge_and_unload(self, *args: object, **kwargs: object) -> PreTrainedModel:
        """The base with the adapter as part of its weights. Raises ConfigError for a method that cannot be merged."""
        method = self.active_peft_config.method
        if method.why_not_mergeable:
            raise ConfigError(
                f"{method.kind} cannot be merged: it {method.why_not_mergeable}",
                next_step="serve the adapter beside the base, or train with method=lora",
            )
        self.tuning.merge()
        return self.base_model

    # ---- its weights

    def state_dict(self, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """The adapter's own weights, without the base's."""
        return {name: w.detach() for name, w in self.tuning.weights().items()}

    def save_pretrained(
        self, save_directory: str | Path, state_dict: dict[str, torch.Tensor] | None = None, **_: object
    ) -> None:
        """Write adapter_config.json and adapter_model.safetensors."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        weights = state_dict or self.state_dict()
        weights = {name: w.detach().to("cpu", copy=True).contiguous() for name, w in weights.items()}
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        write_text(folder / PEFT_CONFIG, json.dumps(self.active_peft_config.to_dict(), indent=1) + "\n")


# ---- from a folder ---------------------------------------------------------------------------------------------------


def native_method(folder: str | Path) -> NativeAdaptation | None:
    """The method of an adapter folder, with its options, when PEFT lacks it; None when PEFT has it.

    Raises AdapterError when its options cannot be read.
    """
    values = read_adapter_config(folder)
    method = abilities_of(values["peft_type"])
    if not issubclass(method, NativeAdaptation):
        return None
    try:
        return method(**{name: v for name, v in values.items() if name not in IDENTITY})
    except ValidationError as e:
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {'; '.join(validation_error_text(error, method) for error in e.errors())}",
            where=str(folder),
            next_step="update domainkit, or train it again",
        ) from e


def load_adapter_module(model: PreTrainedModel, folder: str | Path, method: NativeAdaptation) -> AdapterModule:
    """The folder's adapter over `model`, detached. Raises AdapterError when its weights are not those of this base."""
    try:
        tuning = method.build(model)
        expected, stored = tuning.weights(), load_file(Path(folder) / WEIGHTS)
    except (ConfigError, SafetensorError, RuntimeError, MemoryError) as e:
        raise AdapterError(
            f"does not fit this base: {e}", where=str(folder), next_step="use the base it was trained on"
        ) from e
    for problem, names in (
        ("are missing", expected.keys() - stored),
        ("belong to no layer", stored.keys() - expected.keys()),
    ):
        if names:
            raise AdapterError(
                f"its weights are incomplete or foreign: {len(names)} {problem}, {min(names)} among them",
                where=str(folder),
                next_step="copy the folder again, or use the base it was trained on",
            )
    wrong = next((name for name, w in expected.items() if w.shape != stored[name].shape), None)
    if wrong:
        raise AdapterError(
            f"does not fit this base: {wrong} is {list(stored[wrong].shape)} in the file "
            f"and {list(expected[wrong].shape)} here",
            where=str(folder),
            next_step="use the base it was trained on",
        )
    check_finite(stored, folder)
    with torch.no_grad():
        for name, weight in expected.items():
            weight.copy_(stored[name])
    return tuning


def load_adapted(model: PreTrainedModel, folder: str | Path, *, trainable: bool = False) -> AdaptedModel:
    """The base with the adapter of `folder`, whatever its method: a TunedModel, or a PeftModel.

    Raises AdapterError when the folder's weights do not fit the base.
    """
    method = native_method(folder)
    if method is None:
        try:
            with peft_warnings_muted():
                return cast("AdaptedModel", load_peft_adapter(model, folder, trainable=trainable))
        except (RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as e:
            raise AdapterError(
                f"does not fit its base: {str(e).strip().splitlines()[0]}",
                where=str(folder),
                next_step="use the base it was trained on",
            ) from e
    tuning = load_adapter_module(model, folder, method)
    tuning.requires_grad_(trainable)
    for weight in tuning.weights().values():
        weight.requires_grad_(trainable)
    if not trainable:
        tuning.prepare_for_inference()
    return cast("AdaptedModel", TunedModel(model, tuning, TunedConfig(method)))


def release(model: AdaptedModel) -> None:
    """Take the adapter out of its base, which can then take another."""
    base = model.get_base_model()
    if not getattr(model.active_peft_config, "is_prompt_learning", False):
        model.unload()
    for name in ("peft_config", "_hf_peft_config_loaded"):
        base.__dict__.pop(name, None)
