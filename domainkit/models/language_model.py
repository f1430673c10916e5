"""Which parts of a base text goes through, which of its linear layers can be adapted, and where its rotary frequencies
change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch

from domainkit.models.encoder_decoder import architecture_of
from domainkit.models.precision import precision

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


def modules_beside_text(model: PreTrainedModel) -> list[str]:
    """Names of the modules that no text goes through, such as a vision tower; the outermost ones."""
    architecture = architecture_of(model)
    if architecture.has_encoder or model.config.get_text_config() is model.config:
        return []
    parts = [*architecture.stacks(model), model.get_input_embeddings(), model.get_output_embeddings()]
    text = {id(m) for part in parts if part is not None for m in part.modules()}
    return list(_without(model, "", text))


def _without(module: torch.nn.Module, path: str, text: set[int]) -> Iterator[str]:
    for name, child in module.named_children():
        below = f"{path}.{name}".lstrip(".")
        if id(child) in text:
            continue
        if any(id(m) in text for m in child.modules()):
            yield from _without(child, below, text)
        else:
            yield below


@torch.no_grad()
def linear_layers_with_other_output(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers that return something else than a tensor, such as Llama 4's routers; by trial."""
    own = {
        name: m
        for name, m in model.named_modules()
        if isinstance(m, torch.nn.Linear)
        and type(m).forward is not torch.nn.Linear.forward
        and not type(m).__module__.startswith("bitsandbytes")
    }
    if not own or architecture_of(model).has_encoder:
        return []
    found: list[str] = []

    def watch(name: str) -> Callable[[torch.nn.Module, object, object], None]:
        return lambda module, inputs, output: None if isinstance(output, torch.Tensor) else found.append(name)

    was_training = model.training
    model.eval()
    with ExitStack() as hooks:
        for name, layer in own.items():
            hooks.callback(layer.register_forward_hook(watch(name)).remove)
        with precision(model):
            model(input_ids=torch.tensor([[0, 1]], device=model.device), use_cache=False)
    model.train(was_training)
    return found


_READ_PAST_ADAPTERS = {
    **dict.fromkeys(("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"), "out_proj"),
    "gemma3n_text": "correction_coefs",
}
"""By the type of the model. Mamba's kernels take the weight of the first, and PEFT refuses it; Gemma 3n clamps that of
the second while it trains."""


def linear_layers_read_directly(model: PreTrainedModel) -> list[str]:
    """Names of the linear layers whose weight the model reads itself, past what is around them."""
    end = _READ_PAST_ADAPTERS.get(model.config.get_text_config().model_type)
    return [name for name, _ in model.named_modules() if end is not None and name.rpartition(".")[2] == end]


def rope_boundary(config: PreTrainedConfig) -> int | None:
    """The longest sequence that the first frequencies serve; None for bases with one set of them."""
    text = config.get_text_config()
    parameters = getattr(text, "rope_parameters", None) or {}
    kinds = [parameters, *(p for p in parameters.values() if isinstance(p, dict))]  # some have one for each layer type
    found = [
        kind.get("original_max_position_embeddings") or getattr(text, "original_max_position_embeddings", None)
        for kind in kinds
        if kind.get("rope_type") == "longrope"
    ]
    return min((int(limit) for limit in found if limit), default=None)
