"""The break-even: where two lines meet, and what its interval says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.results.schema import Estimate, VariantCost
from domainkit.verdict.costs.break_even import break_even, main_rival, shown_worse


def variant_cost(name: str, fixed: float | None = 0.0, reason: str = "") -> VariantCost:
    nothing = Estimate(value=0.0)
    return VariantCost(
        name=name, paid_by="machine time", per_thousand=nothing, per_correct=nothing, training=fixed, reason=reason
    )


@given(
    st.floats(0.01, 1e4), st.floats(0, 1e4), st.lists(st.floats(-1e-2, 1e-2, allow_nan=False), min_size=1, max_size=30)
)
@settings(max_examples=80, deadline=None)
def test_a_break_even_is_where_the_lines_meet(ahead: float, base: float, saved: list[float]) -> None:
    found = break_even(variant_cost("tuned", base + ahead), variant_cost("rival", base), saved)
    mean, gap = sum(saved) / len(saved), (base + ahead) - base
    assert not [n for n in found.model_dump().values() if isinstance(n, float) and not math.isfinite(n)]
    if mean <= 0:
        assert found.state == "never"
        assert found.reason
    elif mean > 1e-12:
        assert found.state == "from"
        assert found.questions == pytest.approx(gap / mean, rel=1e-6)
        assert found.low is not None
        assert found.low <= (found.questions or 0) * (1 + 1e-9)
        assert found.high is None or found.high >= (found.questions or 0) * (1 - 1e-9)
        assert found.high is not None or found.reason


def test_the_states_of_a_break_even() -> None:
    steady = [0.001] * 50
    assert break_even(variant_cost("t", 5.0), variant_cost("r"), steady).questions == pytest.approx(5000)
    assert break_even(variant_cost("t"), variant_cost("r"), steady).state == "at once"
    never = break_even(variant_cost("t", 5.0), variant_cost("r"), [-0.001] * 9)
    assert never.reason == "a question costs more with t, and its training comes on top"
    unknown = break_even(variant_cost("t", None, "the adapter has no training receipt"), variant_cost("r"), steady)
    assert (unknown.state, unknown.reason) == ("unknown", "the adapter has no training receipt")
    assert break_even(variant_cost("t", 1.0), variant_cost("r"), []).state == "unknown"
    unsure = break_even(variant_cost("t", 1.0), variant_cost("r"), [0.01, -0.009] * 20)
    assert unsure.state == "from"
    assert unsure.high is None


def test_the_rival_is_the_cheapest_equal_else_the_best() -> None:
    costs, means = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.1, "b": 0.6, "c": 0.5}
    assert main_rival(["a", "b", "c"], {"a"}, costs, means) == "b"
    assert main_rival(["a", "b", "c"], {"a", "b", "c"}, costs, means) == "b"
    assert main_rival(["a", "b", "c"], set(), costs, means) == "a"


def test_a_rival_is_worse_only_where_it_is_shown() -> None:
    scores = {"tuned": [1.0] * 40, "far": [0.0] * 40, "near": [1.0] * 39 + [0.0]}
    assert shown_worse("tuned", ["far", "near"], scores) == {"far"}
