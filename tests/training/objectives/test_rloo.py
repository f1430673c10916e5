"""RLOO weighs an answer by its reward less the mean of the others'."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.preference.small_preferences import rewarded_run


def test_advantages_leave_the_answer_itself_out(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, advantages, rewards = rewarded_run("rloo", tiny_base, tmp_path / "a", monkeypatch)
    assert args.beta == 0.05
    # A fresh adapter is its reference: the first step's KL is 0, and the reward alone is left.
    groups = torch.tensor(rewards).view(-1, args.num_generations)
    wanted = groups - (groups.sum(1, keepdim=True) - groups) / (args.num_generations - 1)
    assert wanted.any()
    found = torch.tensor(advantages) / max(advantages)  # TRL normalises them over the batch
    assert found.tolist() == pytest.approx((wanted.flatten().sort().values / wanted.max()).tolist(), abs=1e-3)
