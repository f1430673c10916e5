"""What the page says of people's judgement holds in its figures, and a smaller simulation says the same."""

from __future__ import annotations

import json
from math import sqrt

import numpy as np
import pytest

from benchmarks.runs import RESULTS
from benchmarks.statistics.columns import JUDGED
from benchmarks.statistics.judged_draws import JUDGES, answers, first
from benchmarks.statistics.judged_simulations import ALPHA, SIMULATIONS, cell

FILE = RESULTS / "judged_simulations.json"
FACTS = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"runs": {}, "tables": {}}


def rows_of(name: str) -> list[dict[str, float]]:
    if name not in FACTS["tables"]:
        pytest.skip(f"not drawn yet: python -m benchmarks.statistics.judged_simulations --only {name}")
    rows: list[dict[str, float]] = FACTS["tables"][name]
    return rows


def within(share: float, name: str, errors: float = 3.0) -> float:
    """Monte Carlo error of a share: the worst of many cells lies about two errors low."""
    return errors * sqrt(share * (1 - share) / FACTS["runs"][name])


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_row_has_the_columns_of_the_page(name: str) -> None:
    columns, shares = JUDGED[name]
    assert shares <= set(columns)
    assert all(set(columns) <= set(row) for row in rows_of(name))


def test_the_judge_never_costs_coverage_nor_makes_winners() -> None:
    rows = rows_of("judged")
    for row in rows:
        assert row["effective"] >= min(row["alone"], 0.94) - within(0.05, "judged")
        assert row["winners"] <= ALPHA + within(0.05, "judged")
    assert min(row["published"] for row in rows) < 0.8
    worth = {f"{row['judge']}, {row['reviews']}": row["worth"] for row in rows}
    assert worth["90 % right, 50"] > 60
    assert worth["useless, 50"] == pytest.approx(50, abs=2)


def test_a_cell_drawn_again_covers() -> None:
    """1,000 draws of 25 reviews, a tenth discordant, hostile judge: standard error .007."""
    rng = np.random.default_rng(0)
    a, b = answers(rng, 1_000, 0.1, 0.0)
    told = JUDGES["hostile"](rng, a, b)
    found = cell(a * 1.0 - b, told[0] * 1.0 - told[1], 25, 0.0)
    assert found["effective"] >= 0.93
    assert found["winners"] <= ALPHA + 0.02
    assert first(3, a).sum() == 3_000


def test_clusters_and_identical_answers_hold() -> None:
    rows = rows_of("judged_clusters")
    assert min(row["clustered"] for row in rows) >= 0.945 - within(0.05, "judged_clusters")
    assert min(row["ignored"] for row in rows) < 0.9
    assert min(row["covers"] for row in rows_of("judged_identical")) >= 0.94 - within(0.05, "judged_identical")


def test_the_queue_holds_and_the_most_disputed_do_not() -> None:
    by_order = {str(row["order"]): row for row in rows_of("review_queue")}
    assert by_order["the queue"]["covers"] >= 0.945 - within(0.05, "review_queue")
    assert by_order["the queue"]["width_good"] < by_order["uniform"]["width_good"]
    assert by_order["most disputed first"]["plain"] < 0.5


def test_graded_scores_hold() -> None:
    assert min(row["effective"] for row in rows_of("judged_graded")) >= 0.94 - within(0.05, "judged_graded")


def test_field_scores_hold_where_simpler_intervals_do_not() -> None:
    rows = rows_of("extraction")
    assert min(row["covers"] for row in rows) >= 0.94 - within(0.05, "extraction")
    assert min(row["bca"] for row in rows) < 0.85
    assert max(row["winners"] or 0 for row in rows) <= ALPHA + within(0.05, "extraction")
