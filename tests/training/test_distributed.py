"""Alone there is nothing to wait for; together every example belongs to one process."""

from __future__ import annotations

import pytest
import torch

from domainkit.training import distributed
from domainkit.training.examples_to_ids import TokenizedExample

LENGTHS = (3, 40, 7, 12, 5, 5, 21)


def tokenized(length: int) -> TokenizedExample:
    return TokenizedExample(tuple(range(length)), 1, f"x:{length}")


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_every_example_of_a_batch_belongs_to_one_process(processes: int) -> None:
    batch = [tokenized(n) for n in LENGTHS]
    shares = [distributed.shard_of_batch(batch, i, processes) for i in range(processes)]
    assert sorted(r.source for part in shares for r in part) == sorted(r.source for r in batch)
    if processes == 2:
        tokens = [sum(len(r.ids) for r in part) for part in shares]
        assert abs(tokens[0] - tokens[1]) <= 5


def test_alone_there_is_nothing_to_wait_for() -> None:
    assert (distributed.world_size(), distributed.rank(), distributed.is_main_process()) == (1, 0, True)
    distributed.barrier()
    weight = torch.nn.Parameter(torch.ones(2))
    distributed.all_reduce_gradients([weight])
    assert weight.grad is None
