"""A fine-tune that fails silently is told: each of these trains to the end, or begins, without its guard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from domainkit.corpus.example import Example, Turn
from domainkit.errors import TrainingError
from domainkit.training import loop as loop_module
from domainkit.training.checkpoints import CHECKPOINT_WEIGHTS
from domainkit.training.config import TrainConfig
from domainkit.training.train import train

ROWS = [
    Example(turns=(Turn(role="user", content=f"q{i}"), Turn(role="assistant", content=w)), source=f"r:{i}")
    for i, w in enumerate(("red", "blue"))
]


def run(base: str, out: Path, **changes: Any) -> Any:
    values = {"base": base, "quantization": "none", "epochs": 4, "batch_size": 2, "learning_rate": 1e-3}
    return train(ROWS, TrainConfig(**{**values, **changes}), out, on_progress=lambda _: None)


@pytest.mark.parametrize(
    ("method", "rate", "known"), [("lora", 0.1, "6e-05 to 0.0005"), ("ia3", 1e-5, "0.001 to 0.005")]
)
def test_a_rate_far_from_the_known_ones_is_warned_of_with_the_source(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, rate: float, known: str
) -> None:
    card = run(tiny_base, tmp_path / "a", method=method, learning_rate=rate).card
    [warned] = [r.getMessage() for r in caplog.records if r.levelname == "WARNING" and r.name == "domainkit"]
    assert f"learning_rate={rate:g} is far from what is known to work for {method}, {known}: its default is" in warned
    assert "(" in warned.split("its default is")[1]  # the source
    assert warned in card.notes


@pytest.mark.parametrize("rate", [None, 1e-3, 1.5e-3])
def test_rates_near_the_known_ones_are_not(
    tiny_base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, rate: float | None
) -> None:
    run(tiny_base, tmp_path / "a", learning_rate=rate)
    assert not [r for r in caplog.records if r.levelname == "WARNING" and r.name == "domainkit"]


def test_weights_that_moved_without_effect_are_refused(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter whose every B stays zero: A moves by weight decay alone, and the answers are the base's."""

    def only_a(model: Any, one: Any) -> torch.Tensor:
        return sum((p * p).sum() for n, p in model.named_parameters() if "lora_A" in n)  # type: ignore[return-value]

    monkeypatch.setattr(loop_module, "supervised_loss", only_a)
    monkeypatch.setattr(loop_module.GradientGuard, "check", lambda self, step: None)
    with pytest.raises(TrainingError, match="training changed weights but not one answer"):
        run(tiny_base, tmp_path / "a")


def test_a_diverged_run_keeps_the_last_good_weights(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop_module.supervised_loss, []

    def diverging(model: Any, one: Any) -> torch.Tensor:
        calls.append(1)
        return real(model, one) * (float("inf") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(loop_module, "supervised_loss", diverging)
    with pytest.raises(TrainingError, match=r"not a number at step 3 of 4 .*kept in .*checkpoint-2") as caught:
        run(tiny_base, tmp_path / "a", save_every=2)
    assert "try half the learning rate" in str(caught.value)
    kept = load_file(str(tmp_path / "a.partial" / "checkpoint-2" / CHECKPOINT_WEIGHTS))
    assert kept
    assert all(bool(w.isfinite().all()) for w in kept.values())
