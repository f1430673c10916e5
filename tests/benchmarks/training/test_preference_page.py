"""docs/preference.md shows the results: reward rose, and the smaller β the further the model drifted."""

from __future__ import annotations

import json

from benchmarks.runs import RESULTS
from benchmarks.training.preference import BETAS, PAGE, filled

RUNS = json.loads((RESULTS / "preference.json").read_text(encoding="utf-8"))["runs"]


def test_the_page_shows_the_results() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "run: python -m benchmarks.training.preference"
    assert "not measured yet" not in page


def test_reward_rises_and_beta_bounds_the_kl() -> None:
    free, default, held, tight = RUNS
    assert [r["beta"] for r in RUNS] == list(BETAS)
    assert all(r["before"] == free["before"] for r in RUNS)
    assert all(r["after"]["reward"] > r["before"]["reward"] for r in RUNS)
    assert free["after"]["reward"] > free["before"]["reward"] + 0.5
    assert tight["after"]["kl"] < held["after"]["kl"] < default["after"]["kl"] < free["after"]["kl"]
    assert held["after"]["kl"] < free["after"]["kl"] / 3
