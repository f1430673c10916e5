"""Interventions: changes of the residual stream at a prompt's first and last positions (ReFT, arXiv 2404.03592)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from domainkit.adapters.adapter_module import (
    HookedModule,
    ModuleOutput,
    RowPositions,
    hidden_states_of,
    transformer_blocks,
)
from domainkit.errors import ConfigError
from domainkit.models.encoder_decoder import architecture_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from domainkit.adapters.adaptation import ForwardArguments


class Loreft(torch.nn.Module):
    """h + Rᵀ(Wh + b − Rh), R (rank, width) with orthonormal rows.

    R is the Q factor of `basis`, with the signs that make it the only one, so that it moves smoothly. A product of
    Householder reflections, as published, is slower by far and rounds to zero rows in float32 under weight decay.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.basis = torch.nn.Parameter(torch.linalg.qr(torch.randn(width, rank))[0])
        # The paper draws W at random. Started at R, the change is zero until the first step, and W and R have gradients
        # at it.
        self.source = torch.nn.Parameter(self.rows().detach().clone())
        self.bias = torch.nn.Parameter(torch.zeros(rank))
        self._frozen: tuple[torch.Tensor, torch.Tensor] | None = None

    def rows(self) -> torch.Tensor:
        """R."""
        q, r = torch.linalg.qr(self.basis)
        return (q * torch.where(r.diagonal() < 0, -1.0, 1.0)).T

    def prepare_for_inference(self) -> None:
        with torch.no_grad():
            rows = self.rows()
            self._frozen = (self.source - rows, rows.T.contiguous())

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """The change (N, width) of hidden states (N, width)."""
        if self._frozen is None:
            rows = self.rows()
            down, up = self.source - rows, rows.T
        else:
            down, up = self._frozen
        return linear(linear(hidden.to(down.dtype), down, self.bias), up)


class Direft(torch.nn.Module):
    """h + Uᵀ(Wh + b): LoReFT without orthonormality and without the difference; U starts at zero."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.source = torch.nn.Parameter(torch.empty(rank, width))
        torch.nn.init.kaiming_uniform_(self.source, a=5**0.5)
        self.bias = torch.nn.Parameter(torch.zeros(rank))
        self.up = torch.nn.Parameter(torch.zeros(width, rank))

    def prepare_for_inference(self) -> None:
        pass

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return linear(linear(hidden.to(self.source.dtype), self.source, self.bias), self.up)


Positions = dict[str, tuple[torch.Tensor, torch.Tensor | None]]
"""By part: indices (N) in the pass's (B · L) positions, and which of them count (N, 1), None: all."""


class Interventions(HookedModule):
    """Interventions after blocks, at the first `first` and last `last` positions of each prompt, tied or apart.

    A prompt of fewer positions than both together has half of them at each end, as in the authors' code. Nothing past
    the prompt is touched: neither the answer in training nor cached steps.
    """

    positional: ClassVar[bool] = True

    def __init__(
        self,
        model: PreTrainedModel,
        kind: type[Loreft] | type[Direft],
        *,
        rank: int,
        first: int,
        last: int,
        tied: bool,
        layers: Sequence[int] | None,
    ) -> None:
        super().__init__()
        stacks = architecture_of(model).stacks(model)
        stack = stacks[0]  # an encoder holds the whole prompt
        blocks = transformer_blocks(stack)
        width = model.config.get_text_config().hidden_size
        _check(rank, width, layers, len(blocks))
        self.first, self.last = first, last
        numbers = range(len(blocks)) if layers is None else sorted(set(layers))
        parts = {i: ["both"] if tied else [p for p, n in (("first", first), ("last", last)) if n] for i in numbers}
        if stack is stacks[-1]:
            _drop_without_effect(parts, len(blocks) - 1, last)
        self.layers = torch.nn.ModuleDict(
            {str(i): torch.nn.ModuleDict({p: kind(width, rank) for p in names}) for i, names in parts.items()}
        )
        self.layers.to(model.device)
        self._stack, self._blocks = [stack], {str(i): blocks[i] for i in parts}
        self.positions: Positions = {}
        self.positions_are_set = False
        """`prepare_pass` sets `positions`; otherwise each pass finds them in its inputs."""

    def prepare_for_inference(self) -> None:
        for parts in self.layers.values():
            for change in parts.values():  # type: ignore[operator]
                change.prepare_for_inference()

    # ---- positions

    def prepare_pass(self, rows: Sequence[int], positions: Sequence[RowPositions]) -> bool:
        starts, ends = [p.start for p in positions if p.start is not None], [p.prompt_end for p in positions]
        if starts:
            return self.set_positions(starts, [p.size for p in positions], ends, rows)
        self.positions_are_set, self.prompt_ends = False, torch.tensor(ends, device=next(self.parameters()).device)
        return True

    def n_unshareable(self, prompt_length: int) -> int:
        first, last = n_positions(prompt_length, self.first, self.last)
        # In a short prompt, the number of first positions depends on its length too.
        return last if first == self.first else prompt_length

    def set_positions(
        self, starts: Sequence[int], sizes: Sequence[int], ends: Sequence[int], rows: Sequence[int]
    ) -> bool:
        """Set the next pass: of row i, which reads positions starts[i] on, only `rows` change. False: nothing will."""
        length = max(sizes)
        at_part: dict[str, list[int]] = {part: [] for part in ("first", "last")}
        for i in rows:
            first, last = n_positions(ends[i], self.first, self.last)
            stop = starts[i] + sizes[i]
            for part, low, high in (("first", 0, first), ("last", ends[i] - last, ends[i])):
                at_part[part] += [i * length + at - starts[i] for at in range(max(low, starts[i]), min(high, stop))]
        device = next(self.parameters()).device
        self.positions_are_set = True
        positions: Positions = {part: (torch.tensor(at, device=device), None) for part, at in at_part.items() if at}
        self.positions = _tied(positions) if self._tied else positions
        return bool(self.positions)

    @property
    def _tied(self) -> bool:
        return any("both" in parts for parts in self.layers.values())  # type: ignore[operator]

    def _find_positions(
        self, stack: torch.nn.Module, args: tuple[torch.Tensor, ...], kwargs: ForwardArguments
    ) -> tuple[tuple[torch.Tensor, ...], ForwardArguments]:
        """Before the stack runs: where this pass's prompts lie."""
        ends = kwargs.pop("prompt_ends", self.prompt_ends)
        self.prompt_ends = None
        if self.positions_are_set:
            return args, kwargs
        inputs = kwargs.get("input_ids", args[0] if args else None)
        inputs = kwargs.get("inputs_embeds") if inputs is None else inputs
        assert inputs is not None
        cache = kwargs.get("past_key_values")
        if cache is not None and cache.get_seq_length() > 0:
            self.positions = {}
            return args, kwargs
        batch, length = inputs.shape[:2]
        mask = kwargs.get("attention_mask")
        if isinstance(mask, torch.Tensor) and mask.dim() == 2:
            starts_at, count = mask.long().argmax(1), mask.long().sum(1)
        else:
            starts_at = torch.zeros(batch, dtype=torch.long, device=inputs.device)
            count = torch.full_like(starts_at, length)
        self.positions = self._positions_in(starts_at, count if ends is None else ends, length)
        return args, kwargs

    def _positions_in(self, starts_at: torch.Tensor, prompt: torch.Tensor, length: int) -> Positions:
        """Positions of rows whose prompts of `prompt` (B) positions begin at `starts_at` (B)."""
        half = prompt // 2
        rows = torch.arange(len(starts_at), device=starts_at.device)[:, None] * length
        positions: Positions = {}
        for part, most in (("first", self.first), ("last", self.last)):
            if not most:
                continue
            count = half.clamp(max=most)[:, None]
            steps = torch.arange(most, device=starts_at.device)[None]
            at = steps if part == "first" else prompt[:, None] - count + steps
            at = (starts_at[:, None] + at).clamp(max=length - 1) + rows
            positions[part] = (at.reshape(-1), (steps < count).reshape(-1, 1))
        return _tied(positions) if self._tied else positions

    # ---- hooks

    def register_hooks(self) -> Iterator[RemovableHandle]:
        yield self._stack[0].register_forward_pre_hook(self._find_positions, with_kwargs=True)
        for name, block in self._blocks.items():
            yield block.register_forward_hook(self._change(cast("torch.nn.ModuleDict", self.layers[name])))

    def _change(self, parts: torch.nn.ModuleDict) -> Callable[..., ModuleOutput | None]:
        def hook(block: torch.nn.Module, args: tuple[object, ...], out: ModuleOutput) -> ModuleOutput | None:
            if not self.positions:
                return None
            hidden, replace = hidden_states_of(out)
            flat = hidden.reshape(-1, hidden.shape[-1])
            for part, (at, counts) in self.positions.items():
                if part not in parts:
                    continue
                change = parts[part](flat[at]).to(hidden.dtype)
                change = change if counts is None else change * counts
                flat = flat.scatter_add(0, at[:, None].expand_as(change), change)
            return replace(flat.view(hidden.shape))

        return hook


def n_positions(prompt: int, first: int, last: int) -> tuple[int, int]:
    """(first positions, last positions) of a prompt of this many positions."""
    return min(first, prompt // 2), min(last, prompt // 2)


def _drop_without_effect(parts: dict[int, list[str]], top: int, last: int) -> None:
    """Leave out what no answer depends on: behind a decoder's top block only a prompt's last position is read again."""
    if top in parts:
        parts[top] = [p for p in parts[top] if p != "first" and last]
        if not parts[top]:
            del parts[top]
    if not parts:
        raise ConfigError(
            "after the last block, only the prompt's last position has an effect, and last=0 leaves it out",
            where="method.layers",
            next_step="name lower blocks, or set method.last=1",
        )


def _tied(positions: Positions) -> Positions:
    """One part for both ends."""
    if not positions:
        return {}
    at = torch.cat([where for where, _ in positions.values()])
    counts = [c for _, c in positions.values() if c is not None]
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
