"""PEFT's layers in the base: read a folder's configuration, refuse what cannot be shared, keep what need not be computed twice, strip them off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from domainkit.adapters.folder import PEFT_CONFIG, WEIGHTS
from domainkit.errors import AdapterError

REWRITES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that change the base's own weights while an adapter loads."""


@contextmanager
def unwarned(model: Any) -> Iterator[None]:
    """PEFT asks for a property that transformers has deprecated. Its warning is no user's business, and muting it by filters
    would change them for all threads of the process; so the property is a plain attribute meanwhile."""
    kind = type(model)
    model.__class__ = type(kind.__name__, (kind,), {"is_gradient_checkpointing": False, "__module__": kind.__module__})
    try:
        yield
    finally:
        model.__class__ = kind


def keep_rotations(host: Any) -> None:
    """BOFT's layers build their rotation, a product of dense matrices, at every pass; frozen, once is enough."""
    from peft.tuners.boft.layer import Linear

    for layer in host.modules():
        if isinstance(layer, Linear) and "forward" not in vars(layer):
            layer.forward = _rotated(layer, layer.forward)  # type: ignore[method-assign]


def _rotated(layer: Any, own: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    kept: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        active = layer.active_adapters  # none, where an adapter that only other layers have is left
        if layer.disable_adapters or len(active) != 1 or active[0] not in layer.boft_R:
            return own(x, *args, **kwargs)
        name = active[0]
        if name not in kept:
            for gone in set(kept) - set(layer.boft_R):
                del kept[gone]
            rotation, scale = layer.get_delta_weight(name)
            kept[name] = rotation.to(x.dtype), scale.to(x.dtype).squeeze(-1)
        rotation, scale = kept[name]
        y, bias = layer.base_layer(x @ rotation, *args, **kwargs), layer.base_layer.bias
        return y * scale if bias is None else (y - bias) * scale + bias

    return forward


def holds(layer: Any, name: str) -> bool:
    return name in layer.lora_A or name in layer.lora_embedding_A


def missing_weights(host: Any, folder: str, name: str) -> list[str]:
    """Weights that the adapter should have and its file does not."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(Path(folder) / WEIGHTS, framework="pt") as file:
        there = set(file.keys())
    # Not "auto": that asks the hub whether the base's vocabulary has grown.
    return sorted(set(get_peft_model_state_dict(host, adapter_name=name, save_embedding_layers=False)) - there)


def strip(model: Any) -> None:
    """Put the base's own layers back. (PEFT's `unload` leaves trained copies of whole modules in their place.)"""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    for path, module in list(model.named_modules()):
        parent, _, leaf = path.rpartition(".")
        if isinstance(module, AuxiliaryTrainingWrapper):
            setattr(model.get_submodule(parent), leaf, module.original_module)
        elif isinstance(module, BaseTunerLayer):
            setattr(model.get_submodule(parent), leaf, module.get_base_layer())
    for name in ("peft_config", "_hf_peft_config_loaded"):
        model.__dict__.pop(name, None)


def read_config(folder: str) -> Any:
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(folder)
    except (ValueError, TypeError, KeyError) as e:
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {e}", where=folder, next_step="update peft, or train it again"
        ) from e


def refuse(config: Any, folder: str) -> None:
    """Adapters that cannot be taken off again."""
    changed = getattr(config, "bias", "none") not in ("none", None)
    start = getattr(config, "init_lora_weights", True)
    if changed or (isinstance(start, str) and start.lower().startswith(REWRITES_BASE)):
        fault = f"bias={config.bias}" if changed else f"init_lora_weights={start}"
        raise AdapterError(
            f"{fault} changes the base's own weights, which other requests share",
            where=folder,
            next_step="merge it into a base of its own, or save it converted to plain LoRA",
        )


def is_plain_lora(config: Any) -> bool:
    """y = Wx + BAx · scale and nothing else."""
    special = ("use_dora", "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters",
               "alora_invocation_tokens", "lora_bias", "use_qalora", "use_bdlora", "arrow_config", "monteclora_config")  # fmt: skip
    return config.peft_type == "LORA" and not any(getattr(config, name, None) for name in special)


__all__ = [
    "holds",
    "is_plain_lora",
    "keep_rotations",
    "missing_weights",
    "read_config",
    "refuse",
    "strip",
    "unwarned",
]
