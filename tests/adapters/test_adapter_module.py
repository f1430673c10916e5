"""Hooks go on once and off without a trace; blocks are found by the depth that the base's configuration says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch.utils.hooks import RemovableHandle

from domainkit.adapters.adapter_module import HookedModule, RowPositions, hidden_states_of, transformer_blocks
from domainkit.errors import ConfigError
from domainkit.models.load import load_base


class AddOne(HookedModule):
    """Adds 1 to the output of a layer, in the pass's own rows."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.layer = [layer]  # a list: the layer is no part of this module

    def register_hooks(self) -> Iterator[RemovableHandle]:
        yield self.layer[0].register_forward_hook(self._add)

    def _add(self, layer: torch.nn.Module, args: tuple[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        return out + 1 if self.rows is None else out.index_add(0, self.rows, torch.ones(len(self.rows), out.shape[1]))


def test_attached_twice_acts_once_and_detached_leaves_no_trace() -> None:
    layer = torch.nn.Linear(2, 2)
    x, module = torch.ones(3, 2), AddOne(layer)
    plain = layer(x)
    module.attach()
    module.attach()
    assert torch.equal(layer(x), plain + 1)
    module.detach()
    assert torch.equal(layer(x), plain)
    assert not layer._forward_hooks
    assert module.weights().keys() == {"weight"}


def test_a_pass_changes_only_its_own_rows() -> None:
    layer = torch.nn.Linear(2, 2)
    x, module = torch.ones(3, 2), AddOne(layer)
    plain = layer(x)
    module.attach()
    every = [RowPositions(None, 1, 1)] * 3
    assert module.prepare_pass([1], every)
    assert (layer(x) - plain).sum(1).tolist() == pytest.approx([0, 2, 0])
    module.prepare_pass([0, 1, 2], every)
    assert module.rows is None


def test_the_blocks_are_those_of_the_configured_depth(tiny_base: str) -> None:
    stack = load_base(tiny_base, quantization="none").model.get_decoder()
    assert transformer_blocks(stack) == list(stack.layers)
    stack.config.num_hidden_layers += 1
    with pytest.raises(ConfigError, match="holds no list of 3 blocks to adapt") as caught:
        transformer_blocks(stack)
    assert "use a LoRA-type method" in str(caught.value)


def test_hidden_states_are_replaced_in_a_tensor_and_at_the_head_of_a_tuple() -> None:
    hidden, other = torch.zeros(1), torch.ones(1)
    found, replace = hidden_states_of(hidden)
    assert (found, replace(other)) == (hidden, other)
    found, replace = hidden_states_of((hidden, "cache"))
    assert (found, replace(other)) == (hidden, (other, "cache"))
