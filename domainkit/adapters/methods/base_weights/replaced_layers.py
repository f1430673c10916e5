"""Replacements: trained copies that replace the base's weights; the original weights stay in memory, unchanged."""

from __future__ import annotations

from collections.abc import Callable

import torch

from domainkit.adapters.adapter_module import AdapterModule
from domainkit.errors import ConfigError
from domainkit.models.quantization import quantization_of


class Replacements(AdapterModule):
    """Trained weights for the base's parameters for which `is_replaced(name)`; tied weights stay tied."""

    def __init__(self, model: torch.nn.Module, is_replaced: Callable[[str], bool]) -> None:
        super().__init__()
        self._slots: dict[str, list[tuple[torch.nn.Module, str]]] = {}
        names: dict[int, str] = {}
        for path, module in model.named_modules():
            for leaf, weight in module.named_parameters(recurse=False):
                name = names.setdefault(id(weight), f"{path}.{leaf}".lstrip("."))
                if is_replaced(name):
                    self._slots.setdefault(name, []).append((module, leaf))
        self._base = {name: getattr(*slots[0]) for name, slots in self._slots.items()}
        packed = next((name for name, w in self._base.items() if not w.is_floating_point()), None)
        if packed or not self._base:
            raise _packed(f"{packed} is" if packed else "the weights are")
        self._trained = {
            name: torch.nn.Parameter(w.detach().to(torch.float32, copy=True)) for name, w in self._base.items()
        }

    def weights(self) -> dict[str, torch.nn.Parameter]:
        return dict(self._trained)

    def attach(self) -> None:
        self._put(self._trained)

    def detach(self) -> None:
        self._put(self._base)

    def _put(self, weights: dict[str, torch.nn.Parameter]) -> None:
        for name, weight in weights.items():
            for module, leaf in self._slots[name]:
                module._parameters[leaf] = weight

    def prepare_for_inference(self) -> None:
        """Weights in the precision of the base's."""
        for name, weight in self._trained.items():
            weight.data = weight.data.to(self._base[name].dtype)

    def merge(self) -> None:
        self.prepare_for_inference()
        self.attach()


def refuse_quantised(model: torch.nn.Module, method: str) -> None:
    """Raises ConfigError when the base's weights have too few bits for training steps."""
    quantization = quantization_of(model)
    if quantization != "none" or getattr(model, "is_quantized", False):
        raise ConfigError(
            f"{method} trains the base's own weights, and steps of training are smaller than those between "
            f"{'4-bit' if quantization == 'nf4' else '8-bit' if quantization == 'int8' else 'quantised'} values",
            where="quantization",
            next_step="use quantization=none, or method=lora, which trains beside quantised weights",
        )


def _packed(what: str) -> ConfigError:
    return ConfigError(
        f"{what} in packed form, which trained weights cannot replace",
        where="quantization",
        next_step="use quantization=none",
    )
