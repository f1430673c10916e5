"""TunedModel: a base with an adaptation that PEFT lacks, in a wrapper that behaves as PEFT's does and writes PEFT's folder layout.

A `Tuning` holds the adapter's weights and puts itself into the base, or takes itself out again, leaving no trace. Training wraps
one in a TunedModel; serving switches many on one base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS
from domainkit.adapters.methods import METHODS, peft_warnings_muted
from domainkit.errors import AdapterError, ConfigError
from domainkit.models.encoder_decoder import is_encoder_decoder, task_type
from domainkit.storage import write_text

IDENTITY = ("peft_type", "base_model_name_or_path", "revision", "task_type", "inference_mode")
"""The fields of adapter_config.json that are not the method's options."""


@dataclass(frozen=True, slots=True)
class RowPositions:
    """The positions of its sequence that one row of a forward pass reads."""

    start: int | None
    """None: all positions that are not in the cache of the model's own."""
    size: int
    prompt_end: int
    """Position behind the last token of the prompt."""


class Tuning(torch.nn.Module):
    """The weights of one adapter and where in a base they act.

    `positional`: what a pass changes depends on where its prompts lie.
    """

    positional: ClassVar[bool] = False

    def switch(self, on: bool) -> None:
        """Put the changes into the base, or take them out."""
        raise NotImplementedError

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        """Change only these `rows` of the next forward pass. Returns False when that changes nothing in it."""
        return True

    def n_unshareable(self, prompt_length: int) -> int:
        """Last tokens of a prompt whose state depends on where the prompt ends, so that no longer prompt can use it."""
        return 0

    def weights(self) -> dict[str, torch.nn.Parameter]:
        """The trained tensors by the names they have in the adapter's file."""
        return dict(self.named_parameters())

    def settle(self) -> None:
        """The weights will not change any more: compute once what passes would compute anew."""

    def merge(self) -> None:
        """Make the changes the base's own, where the method is mergeable."""
        raise NotImplementedError


class Hooked(Tuning):
    """A tuning that changes what modules take or give, by hooks; nothing of the base is replaced.

    `rows` (long) are the rows of a pass that it changes, None all of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: torch.Tensor | None = None
        self._handles: list[Any] = []

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        device = next(self.parameters()).device
        self.rows = None if len(rows) == len(positions) else torch.tensor(rows, device=device)
        return True

    def hooks(self) -> Iterator[Any]:
        """Register each hook, yielding its handle."""
        raise NotImplementedError

    def switch(self, on: bool) -> None:
        if on and not self._handles:
            self._handles = list(self.hooks())
        elif not on:
            for handle in self._handles:
                handle.remove()
            self._handles = []


class TunedConfig:
    """What adapter_config.json says: PEFT's own fields, and the method with its options."""

    is_prompt_learning = False
    task_type = "CAUSAL_LM"

    def __init__(self, method: Any) -> None:
        self.method = method
        self.peft_type = method.kind.upper()
        self.base_model_name_or_path: str | None = None
        self.revision: str | None = None
        self.inference_mode = False

    def to_dict(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in IDENTITY} | {"inference_mode": True}
        return own | {k: v for k, v in self.method.model_dump(mode="json").items() if k != "kind"}


class TunedModel(torch.nn.Module):
    """`model` with `tuning` switched on; called, saved and switched off as a PeftModel is."""

    _hf_peft_config_loaded = True
    """transformers' Trainer: quantised weights are not what is trained."""

    def __init__(self, model: Any, tuning: Tuning, config: TunedConfig) -> None:
        super().__init__()
        self.dtype = model.dtype
        self.base_model = model
        self.tuning = tuning
        config.task_type = task_type(model)
        self.peft_config = {"default": config}
        self.active_adapter = "default"
        self.train(model.training)
        tuning.switch(True)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The base's forward; for a positional tuning also `prompt_ends` (B), the number of positions of each row's prompt."""
        if self.tuning.positional and (ends := kwargs.pop("prompt_ends", None)) is not None:
            self.tuning.told = ends
        with self._precision():
            return self.base_model(*args, **kwargs)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        with self._precision():
            return self.base_model.generate(*args, **kwargs)

    def _precision(self) -> Any:
        """Weights trained in float32 compute with a 16-bit base's activations."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype == torch.bfloat16)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_model":
                raise
            return getattr(self.base_model, name)

    # ---- what PEFT's wrapper offers

    @property
    def positional(self) -> bool:
        return self.tuning.positional

    @property
    def active_peft_config(self) -> TunedConfig:
        return self.peft_config["default"]

    @property
    def device(self) -> torch.device:
        return self.base_model.device

    def get_base_model(self) -> Any:
        return self.base_model

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The base alone."""
        self.tuning.switch(False)
        try:
            yield
        finally:
            self.tuning.switch(True)

    def unload(self) -> Any:
        """The base, as it was before."""
        self.tuning.switch(False)
        return self.base_model

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> Any:
        """The base with the adapter as part of its weights. Raises ConfigError where no change of weights does what the method does."""
        method = self.active_peft_config.method
        if method.why_not_mergeable:
            raise ConfigError(
                f"{method.kind} cannot be merged: it {method.why_not_mergeable}",
                next_step="serve the adapter beside the base, or train with method=lora",
            )
        self.tuning.merge()
        return self.base_model

    # ---- its weights

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:  # type: ignore[override]
        """The adapter's own weights, without the base's."""
        return {name: w.detach() for name, w in self.tuning.weights().items()}

    def save_pretrained(self, save_directory: str | Path, state_dict: Any = None, **_: Any) -> None:
        """Write adapter_config.json and adapter_model.safetensors."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        weights = state_dict or self.state_dict()
        weights = {name: w.detach().to("cpu", copy=True).contiguous() for name, w in weights.items()}
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
        write_text(folder / PEFT_CONFIG, json.dumps(self.active_peft_config.to_dict(), indent=1) + "\n")


# ---- from a folder -----------------------------------------------------------------------------------------------------


def own_method(folder: str | Path) -> Any:
    """The method of an adapter folder, with its options, when it is one of domainkit's own; None when it is PEFT's.

    Raises AdapterError when its options cannot be read.
    """
    values = json.loads((Path(folder) / PEFT_CONFIG).read_text(encoding="utf-8"))
    kind = str(values.get("peft_type", "")).lower()
    method: Any = METHODS.load(kind) if kind in METHODS else None
    if method is None or not hasattr(method, "build"):
        return None
    try:
        return method(**{name: v for name, v in values.items() if name not in IDENTITY})
    except ValidationError as e:
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {e.errors()[0]['loc'][-1]}: {e.errors()[0]['msg'].lower()}",
            where=str(folder),
            next_step="update domainkit, or train it again",
        ) from e


def load_tuning(model: Any, folder: str | Path, method: Any) -> Tuning:
    """The folder's adapter over `model`, switched off. Raises AdapterError when its weights are not those of this base."""
    try:
        tuning: Tuning = method.build(model)
        wanted, found = tuning.weights(), load_file(Path(folder) / WEIGHTS)
    except (ConfigError, SafetensorError) as e:
        raise AdapterError(f"does not fit this base: {e}", where=str(folder)) from e
    for fault, names in (("are missing", wanted.keys() - found), ("belong to no layer", found.keys() - wanted.keys())):
        if names:
            raise AdapterError(
                f"its weights are incomplete or foreign: {len(names)} {fault}, {min(names)} among them",
                where=str(folder),
                next_step="copy the folder again, or use the base it was trained on",
            )
    wrong = next((name for name, w in wanted.items() if w.shape != found[name].shape), None)
    if wrong:
        raise AdapterError(
            f"does not fit this base: {wrong} is {list(found[wrong].shape)} in the file and {list(wanted[wrong].shape)} here",
            where=str(folder),
            next_step="use the base it was trained on",
        )
    with torch.no_grad():
        for name, weight in wanted.items():
            weight.copy_(found[name])
    return tuning


def load_adapted(model: Any, folder: str | Path, *, trainable: bool = False) -> Any:
    """The base with the adapter of `folder`, whatever its method: a TunedModel, or a PeftModel.

    Raises AdapterError when the folder's weights do not fit the base.
    """
    method = own_method(folder)
    if method is None:
        from peft import PeftModel

        from domainkit.adapters.peft_patches import mend_peft

        mend_peft()
        with peft_warnings_muted():
            return PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    tuning = load_tuning(model, folder, method)
    tuning.requires_grad_(trainable)
    for weight in tuning.weights().values():
        weight.requires_grad_(trainable)
    if not trainable:
        tuning.settle()
    return TunedModel(model, tuning, TunedConfig(method))


# ---- where a base can be changed ---------------------------------------------------------------------------------------


def stacks(model: Any) -> list[Any]:
    """The base's stacks of blocks: its decoder, or encoder and decoder."""
    if is_encoder_decoder(model):
        return [model.get_encoder(), model.get_decoder()]
    return [model.get_decoder()]


def blocks(stack: Any) -> Sequence[Any]:
    """The stack's blocks in order. Raises ConfigError for a stack of another build."""
    lists = [m for m in stack.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    config = stack.config
    depth = getattr(config, "num_hidden_layers", None) or getattr(config, "num_layers", None)
    found = next((m for m in lists if len(m) == depth), None)
    if found is None:
        raise ConfigError(
            f"{type(stack).__name__} holds no list of {depth} blocks to adapt", next_step="use a LoRA-type method"
        )
    return list(found)


def first_of(out: Any) -> tuple[torch.Tensor, Any]:
    """(the hidden states, how to put others in their place) of what a module gives: a tensor, or a tuple that starts with one."""
    if isinstance(out, tuple):
        return out[0], lambda new: (new, *out[1:])
    return out, lambda new: new


__all__ = [
    "Hooked", "RowPositions", "TunedConfig", "TunedModel", "Tuning", "blocks", "first_of", "load_adapted", "load_tuning", "own_method", "stacks",
]  # fmt: skip
