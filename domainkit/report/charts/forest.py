"""The forest plot: each variant's paired difference to the baseline, with the band in which a difference does not
matter."""

from __future__ import annotations

from markupsafe import Markup

from domainkit.report.charts.svg import (
    Fit,
    Layout,
    Scale,
    line,
    linear,
    marker,
    state_class,
    tag,
    tick_text,
    ticks,
    words,
)
from domainkit.report.wording.labels import state_text
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import confidence_level
from domainkit.results.schema import Difference, Results
from domainkit.verdict.numbers import difference_interval, points

Row = tuple[str, Difference]

_TOP = 34
_STEP: dict[Fit, float] = {"wide": 36, "narrow": 54}
"""Height of a row."""
_DROP: dict[Fit, float] = {"wide": 18, "narrow": 37}
"""From a row's top to its interval."""


def _layouts(rows: int) -> tuple[Layout, Layout]:
    """For wide and for narrow screens."""
    wide, narrow = (_TOP + _STEP[fit] * rows + 6 for fit in ("wide", "narrow"))
    return (
        Layout("wide", width=1000, height=wide + 44, left=230, right=770, top=_TOP, bottom=wide, names=28),
        Layout("narrow", width=340, height=narrow + 44, left=10, right=330, top=_TOP, bottom=narrow, names=24),
    )


def forest(results: Results, prefix: str = "") -> Markup:
    """Both drawings, for wide and for narrow screens; nothing without differences. Ids begin with `prefix`."""
    rows = [(v.name, v.difference) for v in results.variants if v.difference is not None]
    if not rows:
        return Markup("")
    return Markup("").join(_draw(results, rows, layout, prefix) for layout in _layouts(len(rows)))


def _domain(rows: list[Row]) -> tuple[float, float]:
    """Points covered by the axis: all intervals, zero and the band, with a small margin."""
    margin = max(d.margin for _, d in rows)
    low = 100 * min(-margin, 0.0, *(min(d.low, d.value) for _, d in rows))
    high = 100 * max(margin, 0.0, *(max(d.high, d.value) for _, d in rows))
    air = 0.06 * ((high - low) or 10.0)
    return low - air, high + air


def _draw(results: Results, rows: list[Row], layout: Layout, prefix: str) -> Markup:
    domain = _domain(rows)
    x = linear(domain, (layout.left, layout.right))
    body = [*_highlight(results, rows, layout), *_frame(rows, layout, x, domain)]
    for k, (name, difference) in enumerate(rows):
        css = "label ground" if name == results.verdict.choice else "label"
        body += _row(name, difference, layout, x, layout.top + k * _STEP[layout.fit], css)
    level = 100 * confidence_level(results)
    title = f"Difference to {results.baseline}, in points"
    description = ". ".join(
        f"{shorten(name, 60)}: {points(d.value)}, {level:.0f} % interval {difference_interval(d)}, "
        f"{state_text(d.state, d.needed)}"
        for name, d in rows
    )
    return layout.drawing(f"{prefix}forest", shorten(title, 90), description, body)


def _highlight(results: Results, rows: list[Row], layout: Layout) -> list[Markup]:
    """A light background behind the recommended variant."""
    step = _STEP[layout.fit]
    for k, (name, _) in enumerate(rows):
        if name == results.verdict.choice:
            top = layout.top + k * step
            return [tag("rect", x=0.0, y=top, width=layout.width, height=step, rx=6, class_="chosen-row")]
    return []


def _frame(rows: list[Row], layout: Layout, x: Scale, domain: tuple[float, float]) -> list[Markup]:
    """The equivalence band, grid, zero line and axis."""
    margin = 100 * max(d.margin for _, d in rows)
    marks = ticks(*domain, about=9 if layout.fit == "wide" else 5)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    bottom, height = layout.bottom, layout.bottom - layout.top
    body = []
    if margin > 0:
        band = {"x": x(-margin), "width": x(margin) - x(-margin)}
        body.append(tag("rect", y=layout.top, height=height, class_="band", **band))
    body += [line(x(t), layout.top, x(t), bottom, "grid") for t in marks if t]
    body.append(line(x(0), layout.top - 6, x(0), bottom + 5, "zero"))
    body += [words(tick_text(t, step), x(t), bottom + 19, "tick", "middle") for t in marks]
    body.append(layout.axis_title("points of difference to the baseline"))
    if x(0) - layout.left > 62:
        body.append(words("← worse", x(0) - 9, layout.top - 12, "axis", "end"))
    if layout.right - x(0) > 62:
        body.append(words("better →", x(0) + 9, layout.top - 12, "axis"))
    return body


def _row(name: str, d: Difference, layout: Layout, x: Scale, top: float, label_class: str) -> list[Markup]:
    y = top + _DROP[layout.fit]
    low, high, value = x(100 * d.low), x(100 * d.high), x(100 * d.value)
    css = state_class(d.state)
    shape = [
        line(low, y, high, y, f"whisker {css}"),
        line(low, y - 4, low, y + 4, f"whisker {css}"),
        line(high, y - 4, high, y + 4, f"whisker {css}"),
        marker(d.state, value, y),
    ]
    numbers = f"{points(d.value)} ({difference_interval(d)})"
    label = shorten(name, layout.names)
    if layout.fit == "narrow":
        return [
            words(label, 4, top + 20, label_class),
            words(points(d.value), layout.width - 4, top + 20, "number", "end"),
            *shape,
        ]
    return [words(label, 10, y + 4.5, label_class), words(numbers, layout.width - 10, y + 4.5, "number", "end"), *shape]
