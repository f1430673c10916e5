from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainkit.results.schema import Estimate
from domainkit.verdict import numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (math.nan, "—"),
        (0, "0 ms"),
        (0.0021, "2 ms"),
        (0.0996, "0.10 s"),
        (0.42, "0.42 s"),
        (4.26, "4.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_have_their_natural_unit(value: float | None, shown: str) -> None:
    assert numbers.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.125, "+12.5"), (-0.0312, "−3.1"), (0.0, "0.0"), (-0.0001, "0.0"), (None, "—"), (math.inf, "—")],
)
def test_points_carry_their_sign_and_zero_has_none(value: float | None, shown: str) -> None:
    assert numbers.points(value) == shown


@given(st.floats(-1, 1))
def test_points_mirror(value: float) -> None:
    assert numbers.points(value).translate({ord("−"): "+", ord("+"): "−"}) == numbers.points(-value)


def test_an_estimate_without_bounds_has_no_interval() -> None:
    assert numbers.interval(Estimate(value=0.5)) == ""
    assert numbers.interval(Estimate(value=None, low=0.1, high=0.2)) == ""
    assert numbers.interval(Estimate(value=0.5, low=0.4, high=0.61)) == "40.0 to 61.0"


def test_small_p_values_and_sizes() -> None:
    assert (numbers.p_value(0.0004), numbers.p_value(0.0312), numbers.p_value(None)) == ("<0.001", "0.031", "—")
    assert (numbers.size(950), numbers.size(19_563_008)) == ("950 B", "19.6 MB")
    assert (numbers.count(1204), numbers.count(6.44), numbers.count(None)) == ("1,204", "6.4", "—")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (float("nan"), "—"),
        (0.0, "0"),
        (0.000012, "<0.0001"),
        (0.00012, "0.00012"),
        (0.0047, "0.0047"),
        (12.345, "12.35"),
        (1234.5, "1,234"),
    ],
)
def test_money_is_short(value: float | None, shown: str) -> None:
    assert numbers.money(value) == shown


def test_volumes_have_two_digits_that_count() -> None:
    assert [numbers.volume(v) for v in (2_424.9, 75_921.0, 7.0, None)] == ["2,400", "76,000", "7", "—"]
