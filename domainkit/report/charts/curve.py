"""The learning curve: score against training examples, on a logarithmic axis, with the forecast and its band."""

from __future__ import annotations

from markupsafe import Markup

from domainkit.report.charts.svg import Layout, Scale, line, linear, log_ticks, logarithmic, tag, words
from domainkit.report.wording.labels import primary_heading
from domainkit.report.wording.text import shorten
from domainkit.results.schema import CurvePoint, LearningCurve, Results
from domainkit.verdict.numbers import count, percent

WIDE = Layout("wide", width=1000, height=380, left=60, right=850, top=16, bottom=336)
NARROW = Layout("narrow", width=340, height=300, left=36, right=326, top=16, bottom=256)


def curve_chart(results: Results, prefix: str = "") -> Markup:
    """Both drawings, for wide and for narrow screens; nothing without a curve of two points."""
    curves = [c for c in results.curves if len(c.points) > 1]
    if not curves:
        return Markup("")
    title = f"{primary_heading(results)} in percent by number of training examples"
    return Markup("").join(_draw(curves, layout, title, prefix) for layout in (WIDE, NARROW))


def _draw(curves: list[LearningCurve], layout: Layout, title: str, prefix: str) -> Markup:
    points = [p for c in curves for p in (*c.points, *c.forecast)]
    sizes = [float(p.n) for p in points]
    x = logarithmic((min(sizes), max(max(sizes), min(sizes) * 2)), (layout.left + 8, layout.right - 8))
    low = max(0.0, min(p.value if p.low is None else p.low for p in points) - 0.03)
    high = min(1.0, max(p.value if p.high is None else p.high for p in points) + 0.03)
    y = linear((low, high), (layout.bottom, layout.top))
    body = _axes(x, y, (min(sizes), max(sizes)), (low, high), layout)
    ends = sorted(((c.points[-1] if not c.forecast else c.forecast[-1]).value, k) for k, c in enumerate(curves))
    ranks = {k: rank for rank, (_, k) in enumerate(ends)}
    for k, curve in enumerate(curves):
        body += _curve(curve, k, x, y, layout, ranks[k])
    return layout.drawing(f"{prefix}curve", title, ". ".join(_in_words(c) for c in curves), body)


def _axes(x: Scale, y: Scale, sizes: tuple[float, float], span: tuple[float, float], layout: Layout) -> list[Markup]:
    body = []
    step = 0.1 if span[1] - span[0] > 0.25 else 0.05
    for k in range(round(span[0] / step), round(span[1] / step) + 1):
        if span[0] <= k * step <= span[1]:
            body.append(line(layout.left, y(k * step), layout.right, y(k * step), "grid"))
            body.append(words(f"{100 * k * step:.0f}", layout.left - 6, y(k * step) + 4, "tick", "end"))
    marks = log_ticks(sizes[0], max(sizes[1], sizes[0] * 2))
    for n in marks if layout.fit == "wide" else marks[:: max(1, len(marks) // 4)]:
        body.append(line(x(n), layout.bottom, x(n), layout.bottom + 5, "grid"))
        body.append(words(f"{n:,.0f}", x(n), layout.bottom + 19, "tick", "middle"))
    body.append(layout.axis_title("training examples"))
    return body


def _curve(curve: LearningCurve, k: int, x: Scale, y: Scale, layout: Layout, rank: int) -> list[Markup]:
    css = f"curve-{k % 3}"
    body = []
    ahead = [curve.points[-1], *curve.forecast] if curve.forecast else []
    band = [p for p in ahead if p.low is not None and p.high is not None]
    if len(band) > 1:
        upper = [f"{x(p.n):.1f},{y(p.high or 0):.1f}" for p in band]
        lower = [f"{x(p.n):.1f},{y(p.low or 0):.1f}" for p in reversed(band)]
        body.append(tag("polygon", points=" ".join(upper + lower), class_=f"curve-band {css}"))
    body.append(_path(list(curve.points), x, y, f"curve-line {css}"))
    if ahead:
        body.append(_path(ahead, x, y, f"curve-line ahead {css}"))
    for p in curve.points:
        if p.low is not None and p.high is not None:
            body.append(line(x(p.n), y(p.low), x(p.n), y(p.high), f"curve-whisker {css}"))
        body.append(tag("circle", cx=float(x(p.n)), cy=float(y(p.value)), r=4.2, class_=f"curve-dot {css}"))
    last = ahead[-1] if ahead else curve.points[-1]
    name = shorten(curve.variant, layout.names)
    if layout.fit == "wide":
        body.append(words(name, layout.right + 8, y(last.value) + 4, f"label curve-name {css}"))
    else:
        body.append(words(name, layout.right - 4, layout.bottom - 8 - 17 * rank, f"label curve-name {css}", "end"))
    return body


def _path(points: list[CurvePoint], x: Scale, y: Scale, css: str) -> Markup:
    return tag("polyline", points=" ".join(f"{x(p.n):.1f},{y(p.value):.1f}" for p in points), class_=css)


def _in_words(curve: LearningCurve) -> str:
    measured = ", ".join(f"{count(p.n)} examples {percent(p.value)}" for p in curve.points)
    ahead = ", ".join(
        f"{count(p.n)} examples {percent(p.value)} ({percent(p.low)} to {percent(p.high)})" for p in curve.forecast
    )
    return f"{shorten(curve.variant, 60)}: {measured}" + (f"; forecast {ahead}" if ahead else "")
