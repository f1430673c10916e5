"""One of the processes that cut a base: what it holds of it, and what it computes with it; written by the first one as JSON.

python -m tests.training.cut_base BASE QUANTIZATION OUT, under `accelerate launch`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from domainkit.training import ranks, sharding
from domainkit.training.base import load_base
from domainkit.training.batches import pad
from domainkit.training.methods import attach, parse_method
from domainkit.training.objectives.supervised import supervised_loss
from domainkit.training.render import Rendered


def step(model: Any) -> tuple[float, dict[str, float]]:
    """(loss of two rows, norms of the gradients by name)."""
    rows = [Rendered(tuple(range(3, 3 + n)), 2, "x:1") for n in (9, 14)]
    loss = supervised_loss(model, pad(rows, 0))
    loss.backward()
    return float(loss), {n: float(p.grad.norm()) for n, p in model.named_parameters() if p.requires_grad}


def main(base: str, quantization: Any, out: str) -> None:
    with sharding.asked_for() as cut:
        found = []
        for way in (False, cut):
            torch.manual_seed(0)
            loaded = load_base(base, quantization=quantization, keep_packed=True, cut=way)
            model = attach(parse_method("lora", {"rank": 2, "init": "default"}), loaded.model)
            for name, p in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(p, std=0.1)
            total = sum(p.numel() for p in model.parameters())
            if way:
                sharding.cut(model, torch.device("cpu"))
            held = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in model.parameters())
            whole = all(not isinstance(p, DTensor) for p in model.parameters() if p.requires_grad)
            loss, gradients = step(model)
            again = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in model.parameters())
            found.append({"cut": way, "total": total, "held": held, "held_after": again, "adapter_is_whole": whole,
                          "loss": loss, "gradients": gradients})  # fmt: skip
    if ranks.is_first():
        Path(out).write_text(json.dumps(found))
    ranks.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
