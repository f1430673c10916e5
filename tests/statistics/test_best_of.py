"""The best of several equals looks better than it is, and by how much."""

from __future__ import annotations

import pytest

from domainkit.statistics.best_of import expected_luck


def test_the_best_of_twelve_equals_looks_five_points_better_at_two_hundred() -> None:
    assert expected_luck(12, 0.5, 200) == pytest.approx(0.057, abs=0.006)


def test_one_alone_has_no_luck_and_an_unknown_score_the_most_room() -> None:
    assert expected_luck(1, 0.5, 200) == pytest.approx(0.0, abs=1e-9)
    assert expected_luck(5, None, 200) == expected_luck(5, 0.5, 200) > expected_luck(5, 0.9, 200)
