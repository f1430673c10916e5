"""Interventions: changes of the residual stream at the first and the last positions of a prompt (ReFT, arXiv 2404.03592)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch.nn.functional import linear

from domainkit.adapters.tuned_model import Hooked, RowPositions, blocks, first_of, stacks
from domainkit.errors import ConfigError


class Loreft(torch.nn.Module):
    """h + Rᵀ(Wh + b − Rh), R (rank, width) with orthonormal rows.

    R is the Q factor of `basis`, with the signs that make it the only one, so that it moves smoothly. A product of Householder
    reflections, as published, is slower by far and rounds to zero rows in float32 under weight decay.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.basis = torch.nn.Parameter(torch.linalg.qr(torch.randn(width, rank))[0])
        # The paper draws W at random. Started at R, the change is zero until the first step, and W and R have gradients at it.
        self.source = torch.nn.Parameter(self.rows().detach().clone())
        self.bias = torch.nn.Parameter(torch.zeros(rank))
        self._settled: tuple[torch.Tensor, torch.Tensor] | None = None

    def rows(self) -> torch.Tensor:
        """R."""
        q, r = torch.linalg.qr(self.basis)
        return (q * torch.where(r.diagonal() < 0, -1.0, 1.0)).T

    def settle(self) -> None:
        with torch.no_grad():
            rows = self.rows()
            self._settled = (self.source - rows, rows.T.contiguous())

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The change (N, width) of hidden states (N, width)."""
        if self._settled is None:
            rows = self.rows()
            down, up = self.source - rows, rows.T
        else:
            down, up = self._settled
        return linear(linear(hidden.to(down.dtype), down, self.bias), up)


class Direft(torch.nn.Module):
    """h + Uᵀ(Wh + b): LoReFT without orthonormality and without the difference; U starts at zero."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.source = torch.nn.Parameter(torch.empty(rank, width))
        torch.nn.init.kaiming_uniform_(self.source, a=5**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(rank))
        self.up = torch.nn.Parameter(torch.zeros(width, rank))

    def settle(self) -> None:
        pass

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return linear(linear(hidden.to(self.source.dtype), self.source, self.bias), self.up)


class Interventions(Hooked):
    """Interventions behind blocks, at the first `first` and last `last` positions of each prompt, tied or apart.

    A prompt of fewer positions than both together has half of them at each end, as in the authors' code. Nothing past the
    prompt is touched: neither the answer in training nor cached steps.
    """

    positional: ClassVar[bool] = True

    def __init__(
        self, model: Any, kind: type[Loreft] | type[Direft], *, rank: int, first: int, last: int, tied: bool,
        layers: Sequence[int] | None,
    ) -> None:  # fmt: skip
        super().__init__()
        stack = stacks(model)[0]  # an encoder holds the whole prompt
        found = blocks(stack)
        width = model.config.get_text_config().hidden_size
        _check(rank, width, layers, len(found))
        self.first, self.last = first, last
        chosen = range(len(found)) if layers is None else sorted(set(layers))
        parts = {i: ["both"] if tied else [p for p, n in (("first", first), ("last", last)) if n] for i in chosen}
        if stack is stacks(model)[-1]:
            _leave_unread(parts, len(found) - 1, last)
        self.layers = torch.nn.ModuleDict(
            {str(i): torch.nn.ModuleDict({p: kind(width, rank) for p in names}) for i, names in parts.items()}
        )
        self.layers.to(model.device)
        self._stack, self._blocks = [stack], {str(i): found[i] for i in parts}
        self.told: torch.Tensor | None = None
        """(B) ends of the next pass's prompts; None: what comes without a cache is prompt throughout."""
        self.spots: dict[str, tuple[torch.Tensor, torch.Tensor | None]] = {}
        """By part: places (N) in the pass's (B · L) positions, and which of them count (N, 1), None all."""
        self.aimed = False
        """`spots` are set from outside, pass by pass."""

    def settle(self) -> None:
        for parts in self.layers.values():
            for one in parts.values():  # type: ignore[operator]
                one.settle()

    # ---- where

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        starts, ends = [p.start for p in positions if p.start is not None], [p.prompt_end for p in positions]
        if starts:
            return self.aim(starts, [p.size for p in positions], ends, rows)
        self.aimed, self.told = False, torch.tensor(ends, device=next(self.parameters()).device)
        return True

    def n_unshareable(self, prompt_length: int) -> int:
        first, last = shares(prompt_length, self.first, self.last)
        # In a short prompt, the number of first positions depends on its length too.
        return last if first == self.first else prompt_length

    def aim(self, starts: Sequence[int], sizes: Sequence[int], ends: Sequence[int], rows: Sequence[int]) -> bool:
        """Set the next pass: of row i, which reads positions starts[i] on, only `rows` are changed. False: nothing will be."""
        length = max(sizes)
        found: dict[str, list[int]] = {part: [] for part in ("first", "last")}
        for i in rows:
            first, last = shares(ends[i], self.first, self.last)
            stop = starts[i] + sizes[i]
            for part, low, high in (("first", 0, first), ("last", ends[i] - last, ends[i])):
                found[part] += [i * length + at - starts[i] for at in range(max(low, starts[i]), min(high, stop))]
        device = next(self.parameters()).device
        self.aimed = True
        places = {part: (torch.tensor(at, device=device), None) for part, at in found.items() if at}
        self.spots = _tied(places) if self._tied else dict(places)
        return bool(self.spots)

    @property
    def _tied(self) -> bool:
        return any("both" in parts for parts in self.layers.values())  # type: ignore[operator]

    def _find(self, stack: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Before the stack runs: where this pass's prompts lie."""
        told = kwargs.pop("prompt_ends", self.told)
        self.told = None
        if self.aimed:
            return args, kwargs
        given = kwargs.get("input_ids", args[0] if args else None)
        given = kwargs.get("inputs_embeds") if given is None else given
        assert given is not None
        cache = kwargs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            self.spots = {}
            return args, kwargs
        batch, length = given.shape[:2]
        mask = kwargs.get("attention_mask")
        if isinstance(mask, torch.Tensor) and mask.dim() == 2:
            begins, count = mask.long().argmax(1), mask.long().sum(1)
        else:
            begins = torch.zeros(batch, dtype=torch.long, device=given.device)
            count = torch.full_like(begins, length)
        self.spots = self._places(begins, count if told is None else told, length)
        return args, kwargs

    def _places(self, begins: torch.Tensor, prompt: torch.Tensor, length: int) -> dict[str, Any]:
        """Places of rows whose prompts of `prompt` (B) positions begin at `begins` (B)."""
        half = prompt // 2
        rows = torch.arange(len(begins), device=begins.device)[:, None] * length
        places = {}
        for part, most in (("first", self.first), ("last", self.last)):
            if not most:
                continue
            count = half.clamp(max=most)[:, None]
            steps = torch.arange(most, device=begins.device)[None]
            at = steps if part == "first" else prompt[:, None] - count + steps
            at = (begins[:, None] + at).clamp(max=length - 1) + rows
            places[part] = (at.reshape(-1), (steps < count).reshape(-1, 1))
        return _tied(places) if self._tied else places

    # ---- what

    def hooks(self) -> Iterator[Any]:
        yield self._stack[0].register_forward_pre_hook(self._find, with_kwargs=True)
        for name, block in self._blocks.items():
            yield block.register_forward_hook(self._change(self.layers[name]))

    def _change(self, parts: Any) -> Any:
        def hook(block: Any, args: Any, out: Any) -> Any:
            if not self.spots:
                return None
            hidden, put = first_of(out)
            flat = hidden.reshape(-1, hidden.shape[-1])
            for part, (at, counts) in self.spots.items():
                if part not in parts:
                    continue
                change = parts[part](flat[at]).to(hidden.dtype)
                change = change if counts is None else change * counts
                flat = flat.scatter_add(0, at[:, None].expand_as(change), change)
            return put(flat.view(hidden.shape))

        return hook


def shares(prompt: int, first: int, last: int) -> tuple[int, int]:
    """(positions at the beginning, at the end) of a prompt of so many positions."""
    return min(first, prompt // 2), min(last, prompt // 2)


def _leave_unread(parts: dict[int, list[str]], top: int, last: int) -> None:
    """Leave out what no answer could depend on: behind a decoder's top block, only a prompt's last position is read again."""
    if top in parts:
        parts[top] = [p for p in parts[top] if p != "first" and last]
        if not parts[top]:
            del parts[top]
    if not parts:
        raise ConfigError(
            "behind the last block, only the prompt's last position has an effect, and last=0 leaves it out",
            where="method.layers",
            next_step="name lower blocks, or set method.last=1",
        )


def _tied(places: dict[str, Any]) -> dict[str, Any]:
    """One part for both ends."""
    if not places:
        return {}
    at = torch.cat([where for where, _ in places.values()])
    counts = [c for _, c in places.values() if c is not None]
    return {"both": (at, torch.cat(counts) if counts else None)}


def _check(rank: int, width: int, layers: Sequence[int] | None, depth: int) -> None:
    if rank > width:
        raise ConfigError(
            f"rank={rank} is more than the base's width of {width}",
            where="method.rank",
            next_step=f"use {min(8, width)}",
        )
    beyond = [i for i in layers or () if not 0 <= i < depth]
    if beyond:
        raise ConfigError(
            f"the base has no layer {beyond[0]}", where="method.layers", next_step=f"use numbers from 0 to {depth - 1}"
        )
