"""The phrases that sentences share: answers, figures, lists."""

from __future__ import annotations

import pytest

from domainkit.results.schema import Difference, WithoutLeaks
from domainkit.verdict.sentences import listed, percent, points, rounded, without_leaks_sentence


def test_figures_have_one_decimal_and_a_true_minus_sign() -> None:
    d = Difference(
        value=-0.04,
        low=-0.069,
        high=0.011,
        n=9,
        wins=1,
        ties=1,
        losses=1,
        p=0.5,
        p_adjusted=0.5,
        state="CANNOT TELL YET",
        margin=0.02,
    )
    assert points(d) == "−4.0 points (−6.9 to 1.1)"
    assert percent(0.8312) == "83.1 %"


@pytest.mark.parametrize(("n", "shown"), [(7, 7), (99, 99), (101, 110), (1_234, 1_300), (56_001, 57_000)])
def test_a_forecast_has_two_digits_and_is_rounded_up(n: int, shown: int) -> None:
    assert rounded(n) == shown


def test_names_are_joined_as_in_a_sentence() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed("abc")] == ["a", "a and b", "a, b and c"]


def test_the_verdict_without_leaks_is_one_sentence() -> None:
    same = WithoutLeaks(answer="prompt", choice="few-shot", changed=False)
    assert without_leaks_sentence(same) == "Without the leaked questions the verdict stays the same."
    other = same.model_copy(update={"changed": True})
    assert without_leaks_sentence(other) == "Without the leaked questions the verdict changes to 'prompt' (few-shot)."
