"""Mixed LoRA batches: in one forward pass, each row gets the change BAx of its own plain LoRA adapter.

PEFT can mix adapters in a batch too (`adapter_names=`), but registers hooks on every module in every pass to do so.

It pays in benchmarks/chat_model/throughput (three adapters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch.nn.functional import linear

from domainkit.inference.engine.acceleration.row_index import RowIndex

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

STACKED_TOKENS = 128
"""Most tokens of a pass that computes all adapters in one product. A small product costs mainly the synchronisation of
the threads. In larger passes the arithmetic counts, and each adapter is computed for its own rows only."""

Layout = tuple[tuple[str, int, float], ...]
"""(adapter, rank, scale) of each adapter of a stack, in order."""


class LoraModule(Protocol):
    """PEFT's LoRA layer around a linear layer, with the weights of each adapter by its name."""

    @property
    def lora_A(self) -> Mapping[str, torch.nn.Linear]: ...  # noqa: N802

    @property
    def lora_B(self) -> Mapping[str, torch.nn.Linear]: ...  # noqa: N802

    @property
    def scaling(self) -> Mapping[str, float]: ...

    def register_forward_hook(self, hook: Callable[..., object], /) -> RemovableHandle: ...


class MixedLora:
    """The LoRA layers whose adapters share passes, and which rows of the current pass belong to which adapter.

    PEFT's layers must be disabled in such a pass, so that they compute as the base. A hook on each layer adds the rest.
    """

    def __init__(self) -> None:
        self._hooks: dict[LoraModule, RemovableHandle] = {}
        self._stacks: dict[LoraModule, LoraStack] = {}
        self._rows: Mapping[str, RowIndex] = {}
        self._shape = (0, 0)
        self._scales: dict[tuple[Layout, torch.dtype], torch.Tensor] = {}

    def start_pass(self, rows: Mapping[str, RowIndex], shape: tuple[int, int] = (0, 0)) -> None:
        """Set the rows of each adapter in the next pass, of (rows, tokens). Rows of no adapter are the base's."""
        self._rows = rows
        self._shape = shape
        self._scales.clear()

    def add_layers(self, layers: Iterable[LoraModule]) -> None:
        """Compute for these layers too, after an adapter was added to them."""
        for layer in layers:
            if layer not in self._hooks:
                self._hooks[layer] = layer.register_forward_hook(self._add_changes)
        self.restack()

    def restack(self) -> None:
        """Rebuild the stacks after an adapter was added or removed."""
        for layer in self._hooks:
            if len(layer.lora_A) > 1 and _can_be_stacked(layer):
                self._stacks[layer] = LoraStack(layer)
            elif self._stacks.pop(layer, None):
                for weights in (layer.lora_A, layer.lora_B):
                    for name in weights:  # a view would keep the whole stack in memory
                        weights[name].weight = frozen(weights[name].weight.clone())

    def clear(self) -> None:
        """Forget all layers."""
        for hook in self._hooks.values():
            hook.remove()
        self._hooks, self._stacks, self._rows = {}, {}, {}

    def _add_changes(self, layer: LoraModule, args: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
        """Forward hook: add the changes to the base layer's output y (rows, tokens, out), in place.

        A copy of the output for each adapter would take as long as the products.
        """
        names = [name for name in self._rows if name in layer.lora_A]
        if not names:
            return
        x = args[0]  # (rows, tokens, in)
        n_rows, n_tokens = self._shape
        if x.dim() == 2 and (n_rows == 1 or len(x) == n_rows * n_tokens):  # OPT and some experts flatten their rows
            x, y = (t.view(n_rows, -1, t.shape[-1]) for t in (x, y))
        if x.dim() < 3 or len(x) != n_rows:
            raise RuntimeError("a layer does not read row by row, so adapters cannot share its passes")
        stack = self._stacks.get(layer)
        if stack is not None and stack.pays(names, x):
            stack.add(y, x, self._scales_of(stack, x))
            return
        for name in names:
            weights = layer.lora_A[name].weight, layer.lora_B[name].weight
            add_change(y, x, self._rows[name], *weights, layer.scaling[name])

    def _scales_of(self, stack: LoraStack, x: torch.Tensor) -> torch.Tensor:
        """(rows, 1, sum of ranks): each row's scale at the ranks of its own adapter, 0 at those of the others."""
        key = stack.layout, stack.a.dtype
        if key not in self._scales:  # the same for all layers of one layout
            scales = x.new_zeros(len(x), 1, len(stack.a), dtype=stack.a.dtype)
            first = 0
            for name, rank, scale in stack.layout:
                if name in self._rows:
                    scales[self._rows[name], :, first : first + rank] = scale
                first += rank
            self._scales[key] = scales
        return self._scales[key]


class LoraStack:
    """The weights of all adapters of one layer: A above A, and B beside B.

    The layer's own weights become views of these, so nothing is stored twice.
    """

    def __init__(self, layer: LoraModule) -> None:
        names = list(layer.lora_A)
        self.layout: Layout = tuple((n, len(layer.lora_A[n].weight), float(layer.scaling[n])) for n in names)
        self._ranks = {name: rank for name, rank, _ in self.layout}
        self.a = torch.cat([layer.lora_A[n].weight for n in names])  # (sum of ranks, in)
        self.b = torch.cat([layer.lora_B[n].weight.t() for n in names])  # (sum of ranks, out)
        first = 0
        for name, rank, _ in self.layout:
            layer.lora_A[name].weight = frozen(self.a[first : first + rank])
            layer.lora_B[name].weight = frozen(self.b[first : first + rank].t())
            first += rank

    def pays(self, names: Sequence[str], x: torch.Tensor) -> bool:
        """Whether one product over all ranks is faster: several adapters, few tokens, and half of the ranks used."""
        size = sum(self._ranks[n] for n in names)
        return len(names) > 1 and x.dim() == 3 and x.shape[0] * x.shape[1] <= STACKED_TOKENS and 2 * size >= len(self.a)

    def add(self, y: torch.Tensor, x: torch.Tensor, scales: torch.Tensor) -> None:
        """y (rows, tokens, out) += each row's own scale · BAx. `scales` (rows, 1, sum of ranks) choose the adapter."""
        inner = linear(x.to(self.a.dtype), self.a)  # (rows, tokens, sum of ranks)
        inner = inner.mul_(scales).view(-1, len(self.a))
        if y.dtype == self.b.dtype and y.is_contiguous():
            y.view(-1, y.shape[-1]).addmm_(inner, self.b)
        else:
            y.add_((inner @ self.b).view(y.shape).to(y.dtype))


def add_change(
    y: torch.Tensor, x: torch.Tensor, rows: RowIndex, a: torch.Tensor, b: torch.Tensor, scale: float
) -> None:
    """y[rows] += scale · BAx[rows], in place; A (rank, in), B (out, rank)."""
    x = x[rows] if isinstance(rows, slice) else x.index_select(0, rows)
    inner = linear(x.to(a.dtype), a)
    if not isinstance(rows, slice):
        y.index_add_(0, rows, linear(inner, b).to(y.dtype), alpha=scale)
    elif y.dtype == b.dtype and y.is_contiguous():
        y[rows].view(-1, y.shape[-1]).addmm_(inner.reshape(-1, inner.shape[-1]), b.t(), alpha=scale)
    else:
        y[rows].add_(linear(inner, b).to(y.dtype), alpha=scale)


def _can_be_stacked(layer: LoraModule) -> bool:
    """One dtype and device. A row multiplies other adapters' ranks by 0, and 0 · infinity is NaN: weights are finite
    (they are checked when they are loaded), but in float16 their products can overflow."""
    weights = [m[n].weight for m in (layer.lora_A, layer.lora_B) for n in layer.lora_A]
    first = weights[0]
    return first.dtype != torch.float16 and all(w.dtype == first.dtype and w.device == first.device for w in weights)


def frozen(weight: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(weight, requires_grad=False)
