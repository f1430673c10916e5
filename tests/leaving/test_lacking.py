"""What is missing: questions, rows; and what nobody measured is named."""

from __future__ import annotations

from domainkit.leaving.decision import decide_leaving
from domainkit.leaving.lacking import lacking_sentences
from domainkit.results.schema import CurvePoint, LearningCurve
from tests.leaving.made_up import HALF, ONES, left


def lacking(ours: list[float], theirs: list[float], *curves: LearningCurve) -> str:
    return "\n".join(lacking_sentences(decide_leaving(left({"incumbent": theirs, "tuned": ours}, curves=curves))))


def curve(*ahead: tuple[int, float]) -> LearningCurve:
    points = tuple(CurvePoint(n=n, value=v) for n, v in ((50, 0.3), (100, 0.4), (200, 0.5)))
    forecast = tuple(CurvePoint(n=n, value=v, low=v - 0.05, high=v + 0.05) for n, v in ahead)
    return LearningCurve(variant="tuned", points=points, forecast=forecast, reason="" if forecast else "too few sizes")


def test_equals_lack_questions_and_no_rows() -> None:
    said = lacking(ONES[:40], ONES[:40])
    assert said.startswith("Questions: about ")
    assert "if the true difference is the observed one." in said
    assert "Rows" not in said


def test_a_loss_that_is_not_shown_yet_is_no_matter_of_questions() -> None:
    assert "more of them would show a loss" in lacking([0.0, *ONES[1:40]], ONES[:40])


def test_rows_without_a_curve_are_not_measured() -> None:
    assert "is not measured. domainkit leave … --curve" in lacking(HALF, ONES)
    assert "is not measured (too few sizes). domainkit leave" in lacking(HALF, ONES, curve())


def test_the_curve_says_how_many_rows_close_the_gap() -> None:
    said = lacking(HALF, ONES, curve((400, 0.6), (800, 0.74)))
    assert said == (
        "Rows: about 600 more: with 800 the learning curve forecasts 74.0 % (69.0 to 79.0) for tuned, and 73.0 % "
        "closes the gap."
    )


def test_a_gap_that_rows_do_not_close_is_said() -> None:
    said = lacking(HALF, ONES, curve((400, 0.55), (800, 0.58)))
    assert "with 800 instead of 200 the learning curve forecasts 58.0 % (53.0 to 63.0)" in said
    assert "below the 73.0 % that it takes: a stronger base, or another method, before more rows." in said
