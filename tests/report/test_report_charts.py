from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import assume, given
from hypothesis import strategies as st

from domainkit.report.charts.forest import forest
from domainkit.report.charts.scatter import Point, pareto, scatter
from domainkit.report.charts.svg import log_ticks, tag, ticks
from domainkit.results.schema import Estimate, Results


@given(st.floats(-1e4, 1e4), st.floats(0.01, 1e4))
def test_ticks_are_round_few_and_inside(low: float, width: float) -> None:
    marks = ticks(low, low + width)
    assert 2 <= len(marks) <= 8
    assert all(low - 1e-6 * width <= t <= low + width * (1 + 1e-6) for t in marks)


@given(st.floats(1e-4, 100), st.floats(8, 1e6))
def test_log_ticks_are_inside(low: float, ratio: float) -> None:
    marks = log_ticks(low, low * ratio)
    assert marks
    assert all(low * 0.99 <= t <= low * ratio * 1.01 for t in marks)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=12))
def test_nothing_beats_a_point_of_the_pareto_line(values: list[tuple[float, float]]) -> None:
    points = [Point(f"v{k}", time, Estimate(value=score), chosen=False) for k, (time, score) in enumerate(values)]
    best = pareto(points)
    assert best
    for point in best:
        assert not any(p.time <= point.time and p.value > point.value for p in points)
    for point in points:
        assert any(b.time <= point.time and b.value >= point.value for b in best)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_text_in_a_drawing_is_escaped(text: str) -> None:
    assume("\ufffe" not in text)
    element = ElementTree.fromstring(str(tag("text", text, x=1.0, class_=text)))
    assert (element.text or "") == text


def test_the_forest_draws_each_state_with_its_own_shape(label_results: Results) -> None:
    drawing = str(forest(label_results))
    wide = drawing[: drawing.index('id="forest-narrow-title"')]
    shapes = dict(re.findall(r'<path d="([^"]+)"[^>]*class="mark ([a-z-]+)"', wide))
    assert len(set(shapes.values())) == len(shapes) >= 2
    assert "chosen-row" in wide
    assert "few-shot: +4.6, 95 % interval" in wide
    assert "CANNOT TELL YET, needs about 1,840 questions" in wide


def test_no_chart_is_drawn_of_nothing(label_results: Results) -> None:
    none = tuple(v.model_copy(update={"difference": None, "usage": type(v.usage)()}) for v in label_results.variants)
    assert forest(label_results.model_copy(update={"variants": none})) == ""
    assert scatter(label_results.model_copy(update={"variants": none})) == ""
