"""The loop: one step of it is one step of plain torch, and a full GPU is an error with a next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.adaptation import MethodHooks
from domainkit.adapters.methods import attach, parse_method
from domainkit.errors import MachineError
from domainkit.models.load import load_base
from domainkit.training import loop as loop_module
from domainkit.training.batches import Batches, pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.loop import Loop
from domainkit.training.objectives.supervised import supervised_loss
from domainkit.training.optimization.optimizers import rate_factor
from tests.training.small_runs import config

ROWS = [TokenizedExample((1, 30, 40 + i, 50, 60, 2), 3 + i % 2, f"x:{i}") for i in range(4)]


def adapted(base: str) -> Any:
    torch.manual_seed(0)
    return attach(parse_method("lora", {"rank": 2}), load_base(base, quantization="none").model)


def made(base: str, work: Path) -> Loop:
    settings = config(base, quantization="none", weight_decay=0.1, max_grad_norm=0.5, learning_rate=1e-2, epochs=2)
    batches = Batches(ROWS, batch_size=3, epochs=2, seed=0, max_tokens=9, packing=False)
    return Loop(adapted(base), batches, settings, MethodHooks(), work, pad_id=0)


def test_it_is_plain_torch_written_out(tiny_base: str, tmp_path: Path) -> None:
    loop = made(tiny_base, tmp_path)
    ledger = loop.run()
    model, batches = adapted(tiny_base), loop.batches
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, weight_decay=0.1)
    losses = []
    for step in range(len(batches)):
        rows = [r for group in batches[step].micro_batches for r in group]
        optimizer.param_groups[0]["lr"] = 1e-2 * rate_factor(step, len(batches), 0.1, "cosine")
        loss = supervised_loss(model.train(), pad(rows, 0)) / sum(r.supervised for r in rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 0.5)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert [x for _, x in ledger.losses] == pytest.approx(losses, rel=1e-4)
    assert ledger.supervised == sum(b.supervised for b in batches)
    for mine, theirs in zip((p for p in loop.model.parameters() if p.requires_grad), trainable, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-2, atol=5e-4)  # Adam divides small gradients by small ones


def test_a_full_gpu_is_an_error_with_a_next_step(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: Any, one: Any) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop_module, "supervised_loss", full)
    with pytest.raises(MachineError, match="the GPU's memory is full\n  next: lower max_tokens_per_pass"):
        made(tiny_base, tmp_path).run()
