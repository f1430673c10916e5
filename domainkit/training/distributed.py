"""The processes of one run, as `accelerate launch` starts them: who is first, and sums over all. One process needs none of it.

Every process holds the base and the whole adapter and computes its share of each optimizer batch. Gradients and losses are
summed, since each was divided by the supervised tokens of the whole batch: so the numbers are those of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch

from domainkit.training.examples_to_ids import Rendered


def count() -> int:
    """Number of processes; starts talking to the others at the first call."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return 1
    from accelerate import PartialState

    return int(PartialState(cpu=not torch.cuda.is_available()).num_processes)


def number() -> int:
    """This process's, from 0."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def is_first() -> bool:
    """Whether this process writes files and speaks."""
    return number() == 0


def wait() -> None:
    """Until all processes are here."""
    if count() > 1:
        torch.distributed.barrier()


def total(value: torch.Tensor) -> torch.Tensor:
    """The sum of `value` over all processes."""
    if count() > 1:
        torch.distributed.all_reduce(value)
    return value


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Every gradient becomes its sum over all processes, in one exchange."""
    if count() < 2:
        return
    parameters = list(parameters)
    for p in parameters:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
    flat = total(torch.cat([p.grad.reshape(-1) for p in parameters]))  # type: ignore[union-attr]
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = part.view_as(p)


def share(examples: Sequence[Rendered], number: int, count: int) -> list[Rendered]:
    """The examples of a batch that process `number` of `count` computes: about the same number of tokens for each.

    A batch with fewer examples than processes leaves some without any.
    """
    loads = [0] * count
    mine = []
    for example in sorted(examples, key=lambda r: -len(r.ids)):
        lightest = loads.index(min(loads))
        loads[lightest] += len(example.ids)
        if lightest == number:
            mine.append(example)
    return mine


__all__ = ["count", "is_first", "number", "share", "sum_gradients", "total", "wait"]
