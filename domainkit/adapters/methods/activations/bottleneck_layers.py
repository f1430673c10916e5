"""Bottlenecks: small networks after, or beside, a block's attention and feed-forward parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import gelu, linear, relu, silu
from torch.utils.hooks import RemovableHandle

from domainkit.adapters.adapter_module import HookedModule, ModuleOutput, hidden_states_of, transformer_blocks
from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import architecture_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments

Placement = Literal["houlsby", "pfeiffer", "parallel"]
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"relu": relu, "gelu": gelu, "silu": silu}
ATTENTION = ("self_attn", "attention", "attn", "self_attention", "SelfAttention")
FEEDFORWARD = ("mlp", "feed_forward", "ffn", "DenseReluDense", "block_sparse_moe")
"""Names that architectures give to a block's parts."""


class Bottleneck(torch.nn.Module):
    """scale · U f(Dx + d) + u, from width to `size` and back; U and u start at zero: it adds nothing at first."""

    def __init__(self, width: int, size: int, activation: str, scale: float) -> None:
        super().__init__()
        self.down = torch.nn.Parameter(torch.empty(size, width))
        torch.nn.init.kaiming_uniform_(self.down, a=5**0.5)
        self.down_bias = torch.nn.Parameter(torch.zeros(size))
        self.up = torch.nn.Parameter(torch.zeros(width, size))
        self.up_bias = torch.nn.Parameter(torch.zeros(width))
        self.activation = ACTIVATIONS[activation]
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.activation(linear(x.to(self.down.dtype), self.down, self.down_bias))
        return (linear(inner, self.up, self.up_bias) * self.scale).to(x.dtype)


class Bottlenecks(HookedModule):
    """A bottleneck for each part of each block that the placement names."""

    def __init__(
        self, model: PreTrainedModel, *, placement: Placement, size: int, activation: str, scale: float
    ) -> None:
        super().__init__()
        self.placement = placement
        self._parts: dict[str, torch.nn.Module] = {}
        for s, stack in enumerate(architecture_of(model).stacks(model)):
            for i, block in enumerate(transformer_blocks(stack)):
                names = (ATTENTION, FEEDFORWARD) if placement == "houlsby" else (FEEDFORWARD,)
                for label, part_names in zip(("attention", "feedforward")[-len(names) :], names, strict=True):
                    self._parts[f"{s}_{i}_{label}"] = _part(block, part_names)
        width = model.config.get_text_config().hidden_size
        layers = {name: Bottleneck(width, size, activation, scale) for name in self._parts}
        self.layers = torch.nn.ModuleDict(layers).to(model.device)

    def register_hooks(self) -> Iterator[RemovableHandle]:
        for name, part in self._parts.items():
            yield part.register_forward_hook(self._change(self.layers[name]), with_kwargs=True)

    def _change(self, bottleneck: torch.nn.Module) -> Callable[..., ModuleOutput]:
        def hook(
            part: torch.nn.Module, args: tuple[torch.Tensor, ...], kwargs: ForwardArguments, out: ModuleOutput
        ) -> ModuleOutput:
            y, replace = hidden_states_of(out)
            x = y if self.placement != "parallel" else args[0] if args else kwargs["hidden_states"]
            if self.rows is None:
                return replace(y + bottleneck(x))
            return replace(y.index_add(0, self.rows, bottleneck(x[self.rows]).to(y.dtype)))

        return hook


def _part(block: torch.nn.Module, names: tuple[str, ...]) -> torch.nn.Module:
    part = next((m for name, m in block.named_modules() if name.rpartition(".")[2] in names), None)
    if part is None:
        children = ", ".join(name for name, _ in block.named_children())
        raise ConfigError(
            f"the base's blocks ({type(block).__name__}: {children}) have no part named {', '.join(names)}",
            where="method.placement",
            next_step="use method=lora, which needs linear layers only",
        )
    return part
