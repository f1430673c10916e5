"""Measured points, the forecast with its band."""

from __future__ import annotations

from domainkit.report.charts.curve import curve_chart
from domainkit.results.schema import LearningCurve, Results


def test_each_curve_has_its_points_a_dashed_forecast_and_a_band(rich: Results) -> None:
    chart = str(curve_chart(rich))
    wide = chart[: chart.index('id="curve-narrow-title"')]
    assert wide.count("curve-dot") == sum(len(c.points) for c in rich.curves)
    assert wide.count("curve-line ahead") == wide.count("curve-band") == len(rich.curves)
    assert "tuned: 90 examples 60.0, 180 examples 74.0" in wide
    assert "forecast 1,440 examples 92.0 (86.0 to 98.0)" in wide


def test_a_single_point_is_not_a_curve(rich: Results) -> None:
    one = LearningCurve(variant="tuned", points=rich.curves[0].points[:1])
    assert curve_chart(rich.model_copy(update={"curves": (one,)})) == ""
