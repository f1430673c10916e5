"""A run that was interrupted continues to the same bits, and only as the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.folder import Adapter
from domainkit.errors import ConfigError, MachineError
from domainkit.training import adapter_card
from domainkit.training.optimization import checkpoints
from domainkit.training.optimization.checkpoints import RUN_STATE, last_checkpoint
from tests.training.small_runs import ROWS, losses, run, stop_at


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_resumed_equals_uninterrupted_bit_for_bit(tiny_base: str, tmp_path: Path, stop: int) -> None:
    options = {"method_options": {"rank": 4, "dropout": 0.2}}
    whole = run(tiny_base, tmp_path / "whole", **options)
    out = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt, match=rf"stopped after step {stop} of 12; step {stop} is saved.*--resume"):
        run(tiny_base, out, on_progress=stop_at(stop), **options)
    assert not out.exists()
    resumed = run(tiny_base, out, resume=True, **options)
    assert losses(resumed) == losses(whole)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.card is not None
    assert whole.card is not None
    assert (resumed.card.tokens, resumed.card.supervised_tokens) == (whole.card.tokens, whole.card.supervised_tokens)


def test_an_incomplete_checkpoint_does_not_count(tmp_path: Path) -> None:
    for step in (4, 8, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (4, 8):
        (tmp_path / f"checkpoint-{step}" / RUN_STATE).write_text("{}")
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-8"


def test_resume_with_other_settings_names_them(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(2))
    with pytest.raises(ConfigError) as caught:
        run(tiny_base, tmp_path / "a", ROWS[:4], resume=True, seed=3, epochs=9)
    text = str(caught.value)
    assert "epochs was 6.0, is 9.0; seed was 0, is 3; the training data changed" in text
    assert "start again" in text
    run(tiny_base, tmp_path / "a", resume=True, save_every=100)


def test_resume_of_a_finished_run_returns_it(tiny_base: str, tmp_path: Path) -> None:
    done = run(tiny_base, tmp_path / "a")
    assert run(tiny_base, tmp_path / "a", resume=True) == done
    with pytest.raises(ConfigError, match="other settings: the training data changed"):
        run(tiny_base, tmp_path / "a", ROWS[:3], resume=True)
    with pytest.raises(ConfigError, match=r"other settings: epochs was 6\.0, is 7\.0"):
        run(tiny_base, tmp_path / "a", resume=True, epochs=7)


def test_a_run_that_failed_at_its_last_save_continues_from_there(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(MachineError, match="no space left"):
        patch.setattr(adapter_card, "write_card", full)
        run(tiny_base, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert losses(run(tiny_base, tmp_path / "a", resume=True)) == losses(run(tiny_base, tmp_path / "b"))


def test_a_full_disk_is_an_error_and_keeps_the_old_adapter(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(tiny_base, tmp_path / "a")

    def full(*_: Any, **kw: Any) -> None:
        raise RuntimeError(
            "[enforce fail at inline_container.cc:672] "
            "PytorchStreamWriter failed writing file data/3: file write failed"
        )

    monkeypatch.setattr(checkpoints.torch, "save", full)
    with pytest.raises(MachineError, match="no space left on the disk"):
        run(tiny_base, tmp_path / "a", seed=5)
    assert Adapter.load(tmp_path / "a") == before


def test_two_checkpoints_are_kept(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(9))
    steps = sorted(p.name for p in (tmp_path / "a.partial").glob("checkpoint-*"))
    assert steps == ["checkpoint-8", "checkpoint-9"]


def test_a_checkpoint_of_transformers_trainer_continues_to_the_same_bits(tiny_base: str, tmp_path: Path) -> None:
    """Earlier versions wrote NumPy's and Python's random states and a scheduler beside the same files."""
    import random

    import numpy as np

    whole = run(tiny_base, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tiny_base, tmp_path / "a", on_progress=stop_at(5))
    folder = last_checkpoint(tmp_path / "a.partial")
    assert folder is not None
    state = torch.load(folder / "rng_state.pth", weights_only=True)
    torch.save({"python": random.getstate(), "numpy": np.random.get_state(), **state}, folder / "rng_state.pth")
    torch.save({"last_epoch": 5}, folder / "scheduler.pt")
    assert run(tiny_base, tmp_path / "a", resume=True).weights_sha256 == whole.weights_sha256
