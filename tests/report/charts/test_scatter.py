"""The Pareto line, and what is drawn on which axis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domainkit.report.charts.scatter import Point, pareto, scatter, views
from domainkit.results.schema import Estimate, Latency, Results, Usage


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=12))
def test_nothing_beats_a_point_of_the_pareto_line(values: list[tuple[float, float]]) -> None:
    points = [Point(f"v{k}", time, Estimate(value=score), chosen=False) for k, (time, score) in enumerate(values)]
    best = pareto(points)
    assert best
    for point in best:
        assert not any(p.time <= point.time and p.value > point.value for p in points)
    for point in points:
        assert any(b.time <= point.time and b.value >= point.value for b in best)


def test_a_variant_without_a_figure_is_named_beside_the_drawing(label_results: Results) -> None:
    time, latency = views(label_results)
    assert (time.axis.title, time.absent) == ("compute time", ())
    assert (latency.axis.title, latency.absent) == ("latency, alone", ("classical",))


def test_nothing_is_drawn_without_figures(label_results: Results) -> None:
    none = tuple(
        v.model_copy(update={"difference": None, "usage": Usage(), "latency": Latency()})
        for v in label_results.variants
    )
    assert scatter(label_results.model_copy(update={"variants": none})) == ""
