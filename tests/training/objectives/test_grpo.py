"""GRPO weighs an answer by how far it is above its group, in units of the group's spread."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.preference.small_preferences import rewarded_run


def test_advantages_are_in_units_of_the_groups_spread(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, advantages, rewards = rewarded_run("grpo", tiny_base, tmp_path / "a", monkeypatch)
    assert (args.beta, args.loss_type) == (0.04, "dapo")
    groups = torch.tensor(rewards).view(-1, args.num_generations)
    wanted = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
    assert wanted.any()
    assert advantages == pytest.approx(sorted(wanted.flatten().tolist()), abs=1e-3)
