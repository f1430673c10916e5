"""Adapters: many over one base in memory; LoRA rows of different adapters, and rows of the base, share one pass.

PEFT reads the folder and puts its layers into the base. For plain LoRA those layers then compute each row's own difference,
y[rows] += B(A(x[rows])) · scale, in the order of PEFT's own `adapter_names=` but without its hooks on every module at every
pass. Other methods run through PEFT's layers, one adapter at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import linear

from domainkit.adapter import PEFT_CONFIG, WEIGHTS, Adapter
from domainkit.errors import AdapterError
from domainkit.storage import sha256_file

MIXED = "mixed"
"""The family whose rows share a pass: the base and plain LoRA."""
REWRITES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations that change the base's own weights while an adapter loads."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An adapter in memory. Rows of one `family` may share a pass."""

    name: str
    family: str


@lru_cache(maxsize=256)
def _read(folder: str, weights: tuple[int, int], config: tuple[int, int]) -> tuple[Adapter, str]:
    adapter = Adapter.load(folder, need_card=False)
    return adapter, f"{adapter.weights_sha256[:16]}-{sha256_file(Path(folder) / PEFT_CONFIG)[:8]}"


def read_adapter(folder: str) -> tuple[Adapter, str]:
    """The verified adapter and a name made from its bytes; hashed again only when a file has changed."""
    stamps = []
    for file in (WEIGHTS, PEFT_CONFIG):
        try:
            stat = (Path(folder) / file).stat()
        except OSError:
            Adapter.load(folder, need_card=False)  # says what is missing
            raise
        stamps.append((stat.st_mtime_ns, stat.st_size))
    return _read(folder, *stamps)


class _Route:
    """Which rows of the current pass belong to which adapter; None: PEFT decides."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[tuple[str, torch.Tensor | None]] | None = []


class AdapterPool:
    """Adapters over `model`, at most `limit` in memory. One thread only."""

    def __init__(self, model: Any, fingerprint: str, base: str, limit: int = 16) -> None:
        self._model = model
        self._fingerprint = fingerprint
        self._base = base
        self._limit = limit
        self._host: Any = None
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._route = _Route()

    def load(self, folder: str, in_use: Collection[str] = ()) -> Loaded:
        """The adapter, read on first use or when its files have changed. `in_use` are names that must stay.

        Raises AdapterError: missing, damaged, of another base, or of a kind that cannot be served.
        """
        adapter, name = read_adapter(folder)
        if name not in self._loaded:
            adapter.check_base(self._fingerprint, self._base)
            self._make_room(in_use)
            self._loaded[name] = self._attach(folder, name)
        self._loaded.move_to_end(name)
        return self._loaded[name]

    def enter(self, family: str, names: Sequence[str | None]) -> None:
        """Set the next pass: row i is of adapter names[i], None the base alone. All rows are of `family`."""
        if self._host is None:
            return
        if family == MIXED:
            self._only_mixed()
            self._route.parts = self._parts(names)
        else:
            self._route.parts = None
            self._host.base_model.enable_adapter_layers()
            self._host.set_adapter(family)

    def compatible(self, folder: str) -> bool:
        """Whether the adapter can be loaded while others of the pool are in use."""
        return self._host is None or _config(folder).peft_type == self._host_type()

    def _parts(self, names: Sequence[str | None]) -> list[tuple[str, torch.Tensor | None]]:
        used = list(dict.fromkeys(n for n in names if n is not None))
        if len(used) == 1 and None not in names:
            return [(used[0], None)]
        device = self._model.device
        return [(n, torch.tensor([i for i, m in enumerate(names) if m == n], device=device)) for n in used]

    def _only_mixed(self) -> None:
        """Layers of other methods step aside."""
        if self._host_type() != "LORA" or any(a.family != MIXED for a in self._loaded.values()):
            self._host.base_model.disable_adapter_layers()

    def _host_type(self) -> str:
        return str(next(iter(self._host.peft_config.values())).peft_type.value)

    def _make_room(self, in_use: Collection[str]) -> None:
        for name in list(self._loaded):
            if len(self._loaded) < self._limit:
                return
            if name not in in_use:
                self._forget(name)

    def _forget(self, name: str) -> None:
        del self._loaded[name]
        if self._loaded:
            self._host.delete_adapter(name)
        else:
            self._detach()

    def _detach(self) -> None:
        """Take every adapter layer out of the base again."""
        _strip(self._model)
        self._host = None
        self._loaded.clear()

    def _attach(self, folder: str, name: str) -> Loaded:
        config = _config(folder)
        _refuse(config, folder)
        if self._host is not None and self._host_type() != str(config.peft_type.value):
            self._detach()
        try:
            self._read_layers(folder, name)
            missing = _missing(self._host, folder, name)
        except (RuntimeError, ValueError, KeyError, Warning) as e:
            self._withdraw(name)
            raise AdapterError(
                f"does not fit {self._base}: {str(e).strip().splitlines()[0]}",
                where=folder,
                next_step="use the base it was trained on",
            ) from e
        if missing:
            self._withdraw(name)
            raise AdapterError(
                f"its weights are incomplete: {len(missing)} are missing, {missing[0]} among them",
                where=folder,
                next_step="copy the folder again, or train again",
            )
        self._host.requires_grad_(False)
        self._host.eval()
        mixed = self._install_routes(name) if _is_plain_lora(config) else False
        return Loaded(name, MIXED if mixed else name)

    def _read_layers(self, folder: str, name: str) -> None:
        from peft import PeftModel

        # PEFT asks for a property that transformers has deprecated. Its warning is no user's business, and muting it by
        # filters would change them for all threads of the process; so the property is a plain attribute meanwhile.
        kind = type(self._model)
        self._model.__class__ = type(
            kind.__name__, (kind,), {"is_gradient_checkpointing": False, "__module__": kind.__module__}
        )
        try:
            if self._host is None:
                self._host = PeftModel.from_pretrained(self._model, folder, adapter_name=name, is_trainable=False)
            else:
                self._host.load_adapter(folder, adapter_name=name, is_trainable=False)
        finally:
            self._model.__class__ = kind

    def _withdraw(self, name: str) -> None:
        """Undo a failed load."""
        if self._host is None or not self._loaded:
            self._detach()
        elif name in self._host.peft_config:
            self._host.delete_adapter(name)

    def _install_routes(self, name: str) -> bool:
        """Let the adapter's layers compute by route; False when one of them is of a kind that cannot."""
        from peft.tuners.lora.layer import LoraLayer

        layers: list[Any] = [m for m in self._host.modules() if isinstance(m, LoraLayer) and _holds(m, name)]
        if not all(type(m).__name__ in ("Linear", "Linear4bit", "Linear8bitLt") for m in layers):
            return False
        for layer in layers:
            if not getattr(layer, "_domainkit_routed", False):
                layer.forward = _routed(layer, layer.forward, self._route)
                layer._domainkit_routed = True
        return True


def _routed(layer: Any, own: Callable[..., torch.Tensor], route: _Route) -> Callable[..., torch.Tensor]:
    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if route.parts is None:
            return own(x, *args, **kwargs)
        y = layer.base_layer(x, *args, **kwargs)
        for name, rows in route.parts:
            if name not in layer.lora_A:
                continue
            a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
            given = (x if rows is None else x[rows]).to(a.dtype)
            change = (linear(linear(given, a), b) * layer.scaling[name]).to(y.dtype)
            y = y + change if rows is None else y.index_add(0, rows, change)
        return y

    return forward


def _holds(layer: Any, name: str) -> bool:
    return name in layer.lora_A or name in layer.lora_embedding_A


def _missing(host: Any, folder: str, name: str) -> list[str]:
    """Weights that the adapter should have and its file does not."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(Path(folder) / WEIGHTS, framework="pt") as file:
        there = set(file.keys())
    return sorted(set(get_peft_model_state_dict(host, adapter_name=name)) - there)


def _strip(model: Any) -> None:
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


def _config(folder: str) -> Any:
    from peft import PeftConfig

    try:
        return PeftConfig.from_pretrained(folder)
    except (ValueError, TypeError, KeyError) as e:
        raise AdapterError(
            f"{PEFT_CONFIG} cannot be read: {e}", where=folder, next_step="update peft, or train it again"
        ) from e


def _refuse(config: Any, folder: str) -> None:
    """Adapters that cannot be taken off again, or need more than layers."""
    if config.is_prompt_learning:
        raise AdapterError(
            f"{config.peft_type.value} puts virtual tokens before the prompt, which shared batches do not hold",
            where=folder,
            next_step="train with a method that changes layers (domainkit methods lists them)",
        )
    changed = getattr(config, "bias", "none") not in ("none", None)
    start = getattr(config, "init_lora_weights", True)
    if changed or (isinstance(start, str) and start.lower().startswith(REWRITES_BASE)):
        fault = f"bias={config.bias}" if changed else f"init_lora_weights={start}"
        raise AdapterError(
            f"{fault} changes the base's own weights, which other requests share",
            where=folder,
            next_step="merge it into a base of its own, or save it converted to plain LoRA",
        )


def _is_plain_lora(config: Any) -> bool:
    """y = Wx + BAx · scale and nothing else."""
    special = ("use_dora", "modules_to_save", "layer_replication", "trainable_token_indices", "target_parameters",
               "alora_invocation_tokens", "lora_bias", "use_qalora", "use_bdlora", "arrow_config", "monteclora_config")  # fmt: skip
    return config.peft_type == "LORA" and not any(getattr(config, name, None) for name in special)


__all__ = ["MIXED", "AdapterPool", "Loaded", "read_adapter"]
