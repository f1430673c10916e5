"""The promise: whenever one looks, false alarms stay under α and the interval covers; and it agrees with its closed
form."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.statistics.always_valid import always_valid_p, confidence_sequence, log_e, log_e_path
from domainkit.statistics.paired import adjust, compare_paired


def test_e_is_the_formula() -> None:
    def log_beta(p: float, q: float) -> float:
        return lgamma(p) + lgamma(q) - lgamma(p + q)

    assert float(log_e(7, 2)) == pytest.approx(log_beta(9, 4) - log_beta(2, 2) + 9 * log(2))
    assert float(log_e(0, 0)) == 0
    assert float(log_e(12, 0)) > log(20) > float(log_e(6, 0))


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_graded_sums_at_nodes_agree_with_the_closed_form(d: list[float]) -> None:
    x = np.array(d)
    almost = x * (1 - 1e-9)  # no longer 0/1: the other branch
    assert log_e_path(almost) == pytest.approx(log_e_path(x), abs=1e-6)


@settings(max_examples=40)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.floats(0.5, 0.99))
def test_the_interval_holds_the_mean_and_widens_with_its_level(d: list[float], level: float) -> None:
    x = np.array(d)
    low, high = confidence_sequence(x, None, level)
    assert -1 <= low <= x.mean() + 1e-9
    assert x.mean() - 1e-9 <= high <= 1
    wider = confidence_sequence(x, None, (1 + level) / 2)
    assert wider[0] <= low + 1e-9
    assert high - 1e-9 <= wider[1]


@pytest.mark.parametrize("graded", [False, True])
def test_zero_is_outside_exactly_when_e_is_over_its_limit(graded: bool) -> None:
    rng = np.random.default_rng(3)
    for shift in np.linspace(0, 0.5, 12):
        x = rng.choice([-1.0, 0.0, 1.0], 120, p=[0.25 - shift / 2, 0.5, 0.25 + shift / 2]) * (0.7 if graded else 1)
        low, high = confidence_sequence(x, None, 0.95)
        assert (low > 1e-9 or high < -1e-9) == (log_e_path(x)[-1] >= log(20))


def test_false_alarms_at_every_look_stay_under_alpha() -> None:
    """3,000 comparisons of equals, 600 questions, a look after each: 5 % may be called different, a fixed test at
    every 20th question calls many more."""
    rng = np.random.default_rng(0)
    d = rng.choice([-1, 0, 1], (3000, 600), p=[0.1, 0.8, 0.1])
    alarms = (log_e(np.cumsum(d > 0, 1), np.cumsum(d < 0, 1)) >= log(20)).any(1).mean()
    assert alarms <= 0.05
    looks = d.cumsum(1)[:, 19::20] / np.sqrt(np.maximum((d != 0).cumsum(1)[:, 19::20], 1))
    assert (np.abs(looks) > 1.96).any(1).mean() > 0.15


def test_graded_false_alarms_and_coverage_at_every_tenth_look() -> None:
    rng = np.random.default_rng(1)
    d = rng.beta(0.4, 0.6, (300, 200)) - rng.beta(0.4, 0.6, (300, 200))
    assert np.mean([always_valid_p(row) <= 0.05 for row in d]) <= 0.05
    shifted = rng.choice([-0.5, 0.0, 1.0], (40, 100), p=[0.2, 0.5, 0.3])  # mean 0.2
    looks = [confidence_sequence(row[:n], None, 0.95) for row in shifted for n in (10, 40, 100)]
    assert np.mean([low <= 0.2 <= high for low, high in looks]) >= 0.95


def test_clusters_are_bet_on_as_one() -> None:
    rng = np.random.default_rng(2)
    sizes = 10
    alarms = []
    for _ in range(200):
        d = np.repeat(rng.choice([-1.0, 1.0], 20), sizes)  # all of a cluster agree: 20 draws, not 200
        alarms.append(always_valid_p(d, np.repeat(np.arange(20), sizes)) <= 0.05)
    assert np.mean(alarms) <= 0.05


def test_a_sequential_pair_is_judged_by_it() -> None:
    a, b = [1.0] * 60, [0.0] * 40 + [1.0] * 20
    pair = compare_paired(a, b, sequential=True)
    found = adjust({"a": pair})["a"]
    assert found is not None
    assert found.state == "BETTER"
    assert found.method == "paired by item; confidence sequence at 95 % and e-process; Holm over 1 comparison"
    fixed = adjust({"a": compare_paired(a, b)})["a"]
    assert fixed is not None
    assert found.low < fixed.low
