"""Ticks are round and inside; text is escaped."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import assume, given
from hypothesis import strategies as st

from domainkit.report.charts.svg import Layout, log_ticks, tag, ticks


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


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_text_in_a_drawing_is_escaped(text: str) -> None:
    assume("\ufffe" not in text)
    element = ElementTree.fromstring(str(tag("text", text, x=1.0, class_=text)))
    assert (element.text or "") == text


def test_a_layout_frames_its_plot() -> None:
    frame = Layout("wide", width=100, height=50, left=10, right=90, top=5, bottom=45).frame
    assert (frame.x, frame.y, frame.width, frame.height) == (10, 5, 80, 40)
