"""The tables of docs/statistics.md are those of the simulations, and a smaller simulation gives the same result."""

from __future__ import annotations

import json
from math import sqrt

import pytest

from benchmarks.runs import RESULTS
from benchmarks.statistics.columns import TABLES
from benchmarks.statistics.page import PAGE, filled
from benchmarks.statistics.simulations import ALPHA, SIMULATIONS

FACTS = json.loads((RESULTS / "simulations.json").read_text(encoding="utf-8"))
SMALLER = {
    "intervals": 2_000,
    "peeking": 500,
    "savings": 300,
    "races": 3,
    "sequences": 4,
    "winners": 2_000,
    "curves": 20,
    "seeds": 200,
    "gates": 6,
    "alarms": 50,
    "watches": 12,
}


def test_the_page_shows_the_results() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "run: python -m benchmarks.statistics.simulations"
    assert "not measured yet" not in page


@pytest.mark.parametrize("name", SIMULATIONS)
def test_drawn_again_smaller_it_says_the_same(name: str) -> None:
    """Shares within four standard errors of both draws."""
    again = SIMULATIONS[name][0](SMALLER[name])
    then = FACTS["tables"][name]
    assert [list(row) for row in again] == [list(row) for row in then]
    shares = TABLES[name][1] - {"saved", "width_twice", "width_four", "width"}
    for new, old in zip(again, then, strict=True):
        for key in (key for key in shares & set(old) if old[key] is not None):
            spread = sqrt(max(old[key] * (1 - old[key]), 0.02) * (1 / SMALLER[name] + 1 / FACTS["runs"][name]))
            assert abs(new[key] - old[key]) <= 4 * spread, (key, new[key], old[key])


def test_the_promises_hold() -> None:
    tables = FACTS["tables"]
    assert all(row["tango"] >= 0.94 for row in tables["intervals"])
    assert all(row["e_at_every"] <= ALPHA < row["fixed"] for row in tables["peeking"])
    # An error of two standard errors is allowed for, since these are counts of few races.
    assert all(row["wrong"] <= ALPHA + 2 * sqrt(ALPHA / FACTS["runs"]["races"]) for row in tables["races"])
    assert all(row["missed"] <= ALPHA + 2 * sqrt(ALPHA / FACTS["runs"]["sequences"]) for row in tables["sequences"])
    once = sqrt(ALPHA * (1 - ALPHA) / FACTS["runs"]["gates"])
    assert all(row[key] <= ALPHA + 2 * once for row in tables["gates"] for key in ("equal_worse", "margin_passed"))
    assert all(row["false"] <= ALPHA for row in tables["alarms"])
    assert all(row["false"] <= ALPHA for row in tables["watches"] if "turns" not in row["change"])
    assert all(row["crossed"] >= 0.94 for row in tables["seeds"])
    assert min(row["items"] for row in tables["seeds"]) < 0.75, "what questions alone cannot tell"
    assert next(row for row in tables["races"] if "clear winner" in row["ladder"])["saved"] > 0.5
