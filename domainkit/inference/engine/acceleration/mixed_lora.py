"""Plain LoRA by row: in one pass each row has its own adapter's B A x, in two products for all of them where the pass is small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.functional import linear

FEW_TOKENS = 128
"""A pass of so many tokens takes the adapters of all its rows in one product: each product is a round of all threads, and that, not
the arithmetic, is what a small one costs. Larger passes compute no more than they need, adapter by adapter."""


class Route:
    """Which rows of the current pass belong to which adapter; None: PEFT decides."""

    __slots__ = ("_scales", "parts")

    def __init__(self) -> None:
        self.parts: list[tuple[str, slice | torch.Tensor]] | None = []
        self._scales: dict[Any, torch.Tensor] = {}

    def enter(self, parts: list[tuple[str, slice | torch.Tensor]] | None) -> None:
        self.parts = parts
        self._scales.clear()

    def scales(self, layout: Layout, x: torch.Tensor) -> torch.Tensor:
        """(rows, 1, sum of ranks): each row's scale at its own adapter's ranks, 0 at the others'; one for all layers alike."""
        key = layout, x.dtype
        if key not in self._scales:
            made = x.new_zeros(len(x), 1, sum(rank for _, rank, _ in layout))
            rows, first = dict(self.parts or ()), 0
            for name, rank, scale in layout:
                if name in rows:
                    made[rows[name], :, first : first + rank] = scale
                first += rank
            self._scales[key] = made
        return self._scales[key]


Layout = tuple[tuple[str, int, float], ...]
"""(adapter, rank, scale) in the order of a stack."""


class Stack:
    """A layer's A and B, each of all its adapters in one piece. The layer's own weights are views of it: nothing is held twice."""

    def __init__(self, layer: Any) -> None:
        names = list(layer.lora_A)
        self.layout: Layout = tuple((n, len(layer.lora_A[n].weight), float(layer.scaling[n])) for n in names)
        self.ranks = {name: rank for name, rank, _ in self.layout}
        self.a = torch.cat([layer.lora_A[n].weight for n in names])  # (sum of ranks, width in)
        self.b = torch.cat([layer.lora_B[n].weight.t() for n in names])  # (sum of ranks, width out)
        first = 0
        for name, rank, _ in self.layout:
            layer.lora_A[name].weight = _frozen(self.a[first : first + rank])
            layer.lora_B[name].weight = _frozen(self.b[first : first + rank].t())
            first += rank

    def pays(self, names: Sequence[str], x: torch.Tensor) -> bool:
        """Whether one product is the shorter way: several adapters, few tokens, and no more idle ranks than used ones."""
        used = sum(self.ranks[n] for n in names)
        return len(names) > 1 and x.dim() == 3 and x.shape[0] * x.shape[1] <= FEW_TOKENS and 2 * used >= len(self.a)

    def add(self, y: torch.Tensor, x: torch.Tensor, route: Route) -> None:
        inner = linear(x.to(self.a.dtype), self.a)
        inner = inner.mul_(route.scales(self.layout, inner)).view(-1, len(self.a))
        if y.dtype == self.b.dtype and y.is_contiguous():
            y.view(-1, y.shape[-1]).addmm_(inner, self.b)
        else:
            y.add_((inner @ self.b).view(y.shape).to(y.dtype))


def stack_up(host: Any) -> None:
    """Stack anew, after an adapter came or went, every layer that computes by route."""
    for layer in (m for m in host.modules() if hasattr(m, "_domainkit_stack")):
        if len(layer.lora_A) > 1 and _alike(layer):
            layer._domainkit_stack = Stack(layer)
        elif layer._domainkit_stack is not None:
            layer._domainkit_stack = None
            for weights in (layer.lora_A, layer.lora_B):
                for name in weights:  # a view would keep the whole stack in memory
                    weights[name].weight = _frozen(weights[name].weight.clone())


def routed(layer: Any, own: Callable[..., torch.Tensor], route: Route) -> Callable[..., torch.Tensor]:
    layer._domainkit_stack = None

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if route.parts is None:
            return own(x, *args, **kwargs)
        y = layer.base_layer(x, *args, **kwargs)
        parts = [(name, rows) for name, rows in route.parts if name in layer.lora_A]
        stack: Stack | None = layer._domainkit_stack
        if stack is not None and stack.pays([name for name, _ in parts], x):
            stack.add(y, x, route)
            return y
        for name, rows in parts:
            _add(y, x, rows, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name])
        return y

    return forward


def _add(
    y: torch.Tensor, x: torch.Tensor, rows: slice | torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
) -> None:
    """y[rows] += scale · B A x[rows], into the base layer's own output: a copy of it for each adapter took as long as its maths."""
    given = x[rows] if isinstance(rows, slice) else x.index_select(0, rows)
    inner = linear(given.to(a.dtype), a)
    if not isinstance(rows, slice):
        y.index_add_(0, rows, linear(inner, b).to(y.dtype), alpha=scale)
    elif y.dtype == b.dtype and y.is_contiguous():
        y[rows].view(-1, y.shape[-1]).addmm_(inner.reshape(-1, inner.shape[-1]), b.t(), alpha=scale)
    else:
        y[rows].add_(linear(inner, b).to(y.dtype), alpha=scale)


def _alike(layer: Any) -> bool:
    """One kind of numbers, all of them finite: a neighbour's part is multiplied by zero, which makes no zero of infinity."""
    weights = [m[n].weight for m in (layer.lora_A, layer.lora_B) for n in layer.lora_A]
    first = weights[0]
    same = all(w.dtype == first.dtype and w.device == first.device for w in weights)
    return same and first.dtype != torch.float16 and all(bool(w.isfinite().all()) for w in weights)


def _frozen(weight: torch.Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(weight, requires_grad=False)


__all__ = ["FEW_TOKENS", "Route", "Stack", "routed", "stack_up"]
