"""Progress: every step once, and lines that say the loss and the time left."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.training.optimization.progress import Progress, show_progress
from tests.training.small_runs import run


def test_progress_counts_up_to_the_end(tiny_base: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(tiny_base, tmp_path / "a", on_progress=seen.append)
    assert [p.step for p in seen] == list(range(1, 13))
    assert seen[-1].seconds_left == 0
    assert all(p.tokens_per_second > 0 for p in seen)


def test_the_last_step_is_a_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as show:
        for step in (1, 2, 3):
            show(Progress(step, 3, 1.25, 1e-3, 1234.0, 61.0))
    assert capsys.readouterr().err.splitlines() == ["training: 3/3 · loss 1.250 · 1,234 tok/s"]
