"""One rank of the processes that shard a base. Rank 0 writes the shards' sizes and results as JSON.

python -m tests.training.shard_base BASE OUT QUANTIZATION:METHOD … -- COMMAND … -- COMMAND …, under `accelerate launch`.
Both are domainkit commands, which run in the same processes, because starting new ones takes longer than all of it: the
first in the environment of the launch, the second in that of another, in the environment variable OTHER_LAUNCH.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from domainkit.adapters.methods import attach, parse_method
from domainkit.cli import main as command
from domainkit.models.load import load_base
from domainkit.training import distributed, sharding
from domainkit.training.batches import pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives.supervised import supervised_loss
from tests.laws.matrix import OPTIONS


def step(model: Any) -> tuple[float, dict[str, float]]:
    """(loss of two rows after a small step, norms of its gradients by name)."""
    one = pad([TokenizedExample(tuple(range(3, 3 + n)), 2, "x:1") for n in (9, 14)], 0)
    supervised_loss(model, one).backward()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for p in trained.values():
            p -= 1e-2 * p.grad
            p.grad = None
    loss = supervised_loss(model, one)
    loss.backward()
    return float(loss), {n: float(p.grad.norm()) for n, p in trained.items()}


def held(model: Any) -> int:
    """Numbers of the model's weights in this process."""
    return sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in model.parameters())


def measure(base: str, quantization: Any, name: str, sharded: bool) -> dict[str, Any]:
    loaded = load_base(
        base, quantization=quantization, keep_packed=True, shards=distributed.world_size() if sharded else 1
    )
    torch.manual_seed(0)
    model = attach(parse_method(name, OPTIONS.get(name, {})), loaded.model)
    total = sum(p.numel() for p in model.parameters())
    if sharded:
        sharding.shard(model, torch.device("cpu"))
    before = held(model)
    whole = all(not isinstance(p, DTensor) for p in model.parameters() if p.requires_grad)
    loss, gradients = step(model)
    return {
        "total": total,
        "held": before,
        "held_after": held(model),
        "adapter_is_whole": whole,
        "loss": loss,
        "gradients": gradients,
    }


def run(words: list[str]) -> None:
    sys.argv = words
    try:
        command()
    except SystemExit as e:
        if e.code:
            raise
    distributed.barrier()


def main(base: str, out: str, *words: str) -> None:
    cases, first, second = (part.split("\n") for part in "\n".join(words).split("\n--\n"))
    found = {}
    with sharding.sharding_requested() as requested:
        assert requested
        for case in cases:
            quantization, _, method = case.partition(":")
            found[case] = [measure(base, quantization, method, sharded) for sharded in (False, True)]
    if distributed.is_main_process():
        Path(out).write_text(json.dumps(found))
    distributed.barrier()
    run(first)
    for name, value in json.loads(os.environ["OTHER_LAUNCH"]).items():
        os.environ.pop(name, None)
        os.environ.update({} if value is None else {name: value})
    run(second)


if __name__ == "__main__":
    main(*sys.argv[1:])
