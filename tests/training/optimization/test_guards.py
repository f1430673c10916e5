"""A fine-tune that would fail silently is an error: each of these trains to its end without its guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainkit.corpus.example import Example, Turn
from domainkit.errors import TrainingError
from domainkit.training import loop
from domainkit.training.config import TrainConfig
from domainkit.training.optimization import guards
from domainkit.training.optimization.checkpoints import CHECKPOINT_WEIGHTS, last_checkpoint
from domainkit.training.train import train
from tests.training.small_runs import run

TWO_ROWS = [
    Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content=w)), source=f"r:{i}")
    for i, w in enumerate(("red", "blue"))
]


def short_run(base: str, out: Path, **changes: Any) -> Any:
    values = {"base": base, "quantization": "none", "epochs": 4, "batch_size": 2, "learning_rate": 1e-3}
    return train(TWO_ROWS, TrainConfig(**{**values, **changes}), out, on_progress=lambda _: None)


@pytest.mark.parametrize(
    ("method", "rate", "known"), [("lora", 0.1, "6e-05 to 0.0005"), ("ia3", 1e-5, "0.001 to 0.005")]
)
def test_a_rate_far_from_the_known_ones_is_warned_of_with_the_source(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, rate: float, known: str
) -> None:
    card = short_run(tiny_base, tmp_path / "a", method=method, learning_rate=rate).card
    [warned] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and r.name == "domainkit"]
    assert f"learning_rate={rate:g} is far from what is known to work for {method}, {known}: its default is" in warned
    assert "(" in warned.split("its default is")[1]  # the source
    assert warned in card.notes


@pytest.mark.parametrize("rate", [None, 1e-3, 1.5e-3])
def test_rates_near_the_known_ones_are_not(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: float | None
) -> None:
    short_run(tiny_base, tmp_path / "a", learning_rate=rate)
    assert not [r for r in caplog.records if r.levelname == "WARNING" and r.name == "domainkit"]


def test_weights_that_moved_without_effect_are_refused(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter whose every B stays zero: A moves by weight decay alone, and the answers are the base's."""

    def only_a(model: Any, one: Any) -> torch.Tensor:
        return sum((p * p).sum() for n, p in model.named_parameters() if "lora_A" in n)  # type: ignore[return-value]

    monkeypatch.setattr(loop, "supervised_loss", only_a)
    monkeypatch.setattr(loop.GradientGuard, "check", lambda self, step: None)
    with pytest.raises(TrainingError, match="training changed weights but not one answer"):
        short_run(tiny_base, tmp_path / "a")


def test_a_diverged_run_keeps_the_last_good_weights(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.supervised_loss, []

    def diverging(model: Any, one: Any) -> torch.Tensor:
        calls.append(1)
        return real(model, one) * (float("inf") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(loop, "supervised_loss", diverging)
    with pytest.raises(TrainingError, match=r"not a number at step 3 of 4 .*kept in .*checkpoint-2") as caught:
        short_run(tiny_base, tmp_path / "a", save_every=2)
    assert "try half the learning rate" in str(caught.value)
    kept = load_file(str(tmp_path / "a.partial" / "checkpoint-2" / CHECKPOINT_WEIGHTS))
    assert kept
    assert all(bool(w.isfinite().all()) for w in kept.values())


def test_a_loss_that_is_not_a_number_stops_with_the_step(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.supervised_loss, []

    def broken(model: Any, one: Any) -> torch.Tensor:
        calls.append(1)
        loss = real(model, one)
        return loss * float("nan") if len(calls) == 6 else loss

    monkeypatch.setattr(loop, "supervised_loss", broken)
    with pytest.raises(TrainingError) as caught:
        run(tiny_base, tmp_path / "a")
    text = str(caught.value)
    assert "the loss is not a number at step 6 of 12" in text
    assert "checkpoint-4" in text
    assert "try half the learning rate (0.01)" in text
    assert not (tmp_path / "a").exists()
    assert last_checkpoint(tmp_path / "a.partial") == tmp_path / "a.partial" / "checkpoint-4"


def test_tensors_without_gradient_are_named(tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(model: Any, one: Any) -> torch.Tensor:
        last = [p for n, p in model.named_parameters() if "layers.1" in n and "lora_B" in n]
        return sum((p.float() ** 2).sum() + p.sum() for p in last) * 1.0  # type: ignore[return-value]

    monkeypatch.setattr(loop, "supervised_loss", cut)
    with pytest.raises(TrainingError, match=r"21 of 28 adapter tensors got no gradient by step 1"):
        run(tiny_base, tmp_path / "a")


def test_tensors_whose_gradient_stays_zero_are_named(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.supervised_loss

    def muted(model: Any, one: Any) -> torch.Tensor:
        return real(model, one) + sum(0 * p.sum() for p in model.parameters() if p.requires_grad)

    monkeypatch.setattr(loop, "supervised_loss", muted)

    def with_dead(trainable: Any) -> guards.GradientGuard:
        dead = torch.nn.Parameter(torch.ones(1))
        dead.grad = torch.zeros(1)
        return guards.GradientGuard({**trainable, "dead": dead})

    monkeypatch.setattr(loop, "GradientGuard", with_dead)
    with pytest.raises(TrainingError, match=r"1 of 29 adapter tensors got no gradient by step 3.*: dead"):
        run(tiny_base, tmp_path / "a")


def test_an_adapter_that_did_not_move_is_refused(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "rate_factor", lambda *a: 0.0)
    with pytest.raises(TrainingError, match="training changed no weight"):
        run(tiny_base, tmp_path / "a", epochs=1)


def test_weights_that_are_not_numbers_are_refused() -> None:
    model = torch.nn.Linear(2, 2)
    fresh = guards.trainable_weights(model)
    with torch.no_grad():
        model.weight[0, 0] = float("inf")
    with pytest.raises(TrainingError, match="not numbers: weight"):
        guards.check_weights_changed(model, fresh)
