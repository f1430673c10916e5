"""The processes of one run, as `accelerate launch` starts them. With one process, every function here does nothing.

Every process holds the adapter whole and computes its shard of each optimizer batch. Each loss is divided by the
supervised tokens of the whole batch, so the sums over all processes are the loss and the gradients of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch

from domainkit.training.examples_to_ids import TokenizedExample


def world_size() -> int:
    """Number of processes. The first call joins the process group."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return 1
    from accelerate import PartialState

    return int(PartialState(cpu=not torch.cuda.is_available()).num_processes)


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def is_main_process() -> bool:
    """Whether this process writes files and prints."""
    return rank() == 0


def barrier() -> None:
    """Wait until all processes are here."""
    if world_size() > 1:
        torch.distributed.barrier()


def all_reduce(value: torch.Tensor) -> torch.Tensor:
    """Replace `value` by its sum over all processes."""
    if world_size() > 1:
        torch.distributed.all_reduce(value)
    return value


def all_reduce_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace every gradient by its sum over all processes, in one exchange."""
    if world_size() < 2:
        return
    parameters = list(parameters)
    # A process without any example in this batch has no gradients; the exchange needs the same shape everywhere.
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = all_reduce(torch.cat([g.reshape(-1) for g in gradients]))
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = part.view_as(p)


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in any process."""
    if world_size() < 2:
        return flag
    return bool(all_reduce(torch.tensor(float(flag), device=device)))


def shard_of_batch(examples: Sequence[TokenizedExample], rank: int, world_size: int) -> list[TokenizedExample]:
    """The examples of a batch that process `rank` computes: about the same number of tokens in each process.

    A batch with fewer examples than processes leaves some processes without any.
    """
    loads = [0] * world_size
    shard = []
    for example in sorted(examples, key=lambda e: -len(e.ids)):
        lightest = loads.index(min(loads))
        loads[lightest] += len(example.ids)
        if lightest == rank:
            shard.append(example)
    return shard
