"""Optimizers by name, their parameter groups, and the schedule of the rate."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from domainkit.adapters.adaptation import MethodHooks
from domainkit.errors import MachineError
from domainkit.training.config import TrainConfig
from domainkit.training.optimization.optimizers import make_optimizer, rate_factor
from tests.training.small_runs import losses, run, stop_at


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_rises_then_falls_and_no_step_is_wasted(schedule: str) -> None:
    factors = [rate_factor(k, 100, 0.03, schedule) for k in range(100)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert all(f > 0 for f in factors)
    assert factors[3:] == sorted(factors[3:], reverse=True)
    assert factors[-1] == 1.0 if schedule == "constant" else factors[-1] < 0.02


class WithNorms(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = torch.nn.Linear(2, 2)
        self.first = torch.nn.LayerNorm(2)
        self.q_norm = torch.nn.Linear(2, 2, bias=False)
        self.normal = torch.nn.Linear(2, 2, bias=False)


def test_weight_decay_groups_are_those_of_transformers_trainer() -> None:
    from transformers import Trainer

    model = WithNorms()
    optimizer = make_optimizer(
        model, dict(model.named_parameters()), TrainConfig(learning_rate=1, weight_decay=0.1), MethodHooks()
    )
    names = {p: name for name, p in model.named_parameters()}
    decayed = {names[p] for p in optimizer.param_groups[0]["params"]}
    assert decayed == set(Trainer.get_decay_parameter_names(None, model)) == {"plain.weight", "normal.weight"}  # type: ignore[arg-type]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]


OPTIMIZERS = ["adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adafactor", "sgd"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_and_resumes_to_the_same_bits(tiny_base: str, tmp_path: Path, optimizer: str) -> None:
    options = {
        "optimizer": optimizer,
        "quantization": "none",
        "epochs": 4,
        "learning_rate": 0.5 if optimizer == "sgd" else 2e-2,
    }
    whole = run(tiny_base, tmp_path / "whole", **options)
    assert losses(whole)[-1] < 0.9 * losses(whole)[0]
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(5), **options)
    assert run(tiny_base, tmp_path / "a", resume=True, **options).weights_sha256 == whole.weights_sha256


def test_an_8_bit_optimizer_keeps_8_bit_states() -> None:
    weight = torch.nn.Parameter(torch.ones(128, 64))
    optimizer = make_optimizer(
        torch.nn.Module(), {"w": weight}, TrainConfig(learning_rate=0.1, optimizer="adamw_8bit"), MethodHooks()
    )
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    assert optimizer.state[weight]["state1"].dtype == torch.uint8


def test_without_bitsandbytes_its_optimizers_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    weight = torch.nn.Parameter(torch.ones(2))
    with pytest.raises(MachineError, match="optimizer=adamw_8bit needs the package bitsandbytes"):
        make_optimizer(
            torch.nn.Module(), {"w": weight}, TrainConfig(learning_rate=0.1, optimizer="adamw_8bit"), MethodHooks()
        )
