"""Sampled answers: what is asked, and which answers are scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import DataError, TrainingError
from tests.training.preference.small_preferences import (
    example,
    run,
)


def test_answers_are_not_sampled_to_prompts_that_offer_tools(tiny_base: str, tmp_path: Path) -> None:
    tooled = example("q", "a", 2).model_copy(update={"tools": ({"type": "function", "function": {"name": "add"}},)})
    with pytest.raises(
        DataError, match=r"rows\.jsonl:2: uses tools, and sampling answers for a reward asks plain questions"
    ):
        run(tiny_base, tmp_path / "a", "grpo", [example("q", "a"), tooled])


def test_answers_that_never_end_are_not_scored(tiny_base: str, tmp_path: Path) -> None:
    scored: list[str] = []

    def reward(sample: Any, answer: str) -> float:
        scored.append(answer)
        return 1.0

    with pytest.raises(TrainingError, match="no sampled answer ended within max_new_tokens=1 in 2 steps"):
        run(tiny_base, tmp_path / "a", reward=reward, score_unfinished=False, max_new_tokens=1, probe=0)
    assert not scored
