"""Total cost against the number of questions, both axes logarithmic, with the break-even and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from domainkit.report.charts.svg import Layout, Scale, line, log_ticks, logarithmic, tag, words
from domainkit.report.wording.text import shorten
from domainkit.results.schema import Cost, JsonObject, Results
from domainkit.verdict.numbers import money, volume

VOLUMES = (1_000.0, 10_000.0, 100_000.0, 1_000_000.0)
DECADES = 7
"""Orders of magnitude of money the chart shows at most; what is cheaper runs along its floor."""
WIDE = Layout("wide", width=1000, height=420, left=70, right=830, top=16.0, bottom=374.0, names=22)
NARROW = Layout("narrow", width=340, height=320, left=46, right=238, top=16.0, bottom=274.0, names=13)
_LABEL = 16.0
"""Least distance of two names."""


@dataclass(frozen=True)
class Line:
    """C(V) = fixed + V·each of one variant."""

    name: str
    fixed: float
    each: float
    css: str

    def at(self, questions: float) -> float:
        return self.fixed + questions * self.each


def lines_of(cost: Cost) -> list[Line]:
    """The variants whose whole cost is known, in the ladder's order."""
    main = cost.main_break_even
    css = {main.variant: "subject", main.rival: "rival"} if main else {}
    return [
        Line(v.name, v.fixed, v.per_thousand.value / 1000, css.get(v.name, "other"))
        for v in cost.variants
        if v.fixed is not None and v.per_thousand.value is not None
    ]


def volume_data(cost: Cost) -> JsonObject:
    """What the slider computes with."""
    low, high = _volumes(cost)
    return {
        "low": math.log10(low),
        "high": math.log10(high),
        "start": math.log10(_start(cost)),
        "currency": cost.prices.currency,
        "lines": [{"name": li.name, "fixed": li.fixed, "each": li.each, "css": li.css} for li in lines_of(cost)],
    }


def totals(cost: Cost) -> list[tuple[str, list[str]]]:
    """Total cost of each variant at VOLUMES."""
    return [(li.name, [money(li.at(v)) for v in VOLUMES]) for li in lines_of(cost)]


def volume_chart(results: Results, prefix: str = "") -> Markup:
    """Both drawings, for wide and for narrow screens; nothing with fewer than two known costs."""
    if results.cost is None or len(lines_of(results.cost)) < 2:
        return Markup("")
    return Markup("").join(_draw(results.cost, layout, prefix) for layout in (WIDE, NARROW))


def _volumes(cost: Cost) -> tuple[float, float]:
    """The range of questions: whole powers of ten that hold VOLUMES and the break-even with its interval."""
    main = cost.main_break_even
    marks = [v for v in (main.questions, main.low, main.high) if v] if main else []
    low, high = min([100.0, *marks]), max([VOLUMES[-1], *(3 * m for m in marks)])
    return 10.0 ** max(0, math.floor(math.log10(low))), 10.0 ** min(12, math.ceil(math.log10(high)))


def _start(cost: Cost) -> float:
    main = cost.main_break_even
    return min(max(main.questions, 1.0), 1e12) if main and main.questions else 10_000.0


def _draw(cost: Cost, layout: Layout, prefix: str) -> Markup:
    lines, span = lines_of(cost), _volumes(cost)
    top = max(li.at(span[1]) for li in lines) or 1.0
    least = min((v for li in lines if (v := li.at(span[0])) > 0), default=top / 10)
    floor = 10.0 ** math.floor(math.log10(max(least, top / 10**DECADES)))
    top = 10.0 ** math.ceil(math.log10(top * 1.01))
    x = logarithmic(span, (layout.left, layout.right))
    y = logarithmic((floor, top), (layout.bottom, layout.top))
    body = [*_axes(cost, x, y, span, (floor, top), layout), *_break_even(cost, x, span, layout)]
    ends = _apart([y(max(li.at(span[1]), floor)) for li in lines], layout)
    for li, end in zip(lines, ends, strict=True):
        body.append(_curve(li, x, y, span, floor))
        body.append(words(shorten(li.name, layout.names), layout.right + 8, end + 4, f"label cost-name {li.css}"))
    body.append(line(x(_start(cost)), layout.top, x(_start(cost)), layout.bottom, "volume-mark"))
    description = ". ".join(
        f"{shorten(name, 60)}: " + ", ".join(f"{volume(v)} questions {c}" for v, c in zip(VOLUMES, cells, strict=True))
        for name, cells in totals(cost)
    )
    title = f"Total cost in {cost.prices.currency} by number of questions, both axes logarithmic"
    chart = layout.drawing(f"{prefix}volume", title, description, body)
    css = f"volume-chart {layout.fit}"
    return tag("div", chart, class_=css, data_left=layout.left, data_right=layout.right)


def _axes(
    cost: Cost, x: Scale, y: Scale, span: tuple[float, float], money_span: tuple[float, float], layout: Layout
) -> list[Markup]:
    body = []
    amounts = [t for t in log_ticks(*money_span) if math.log10(t) == round(math.log10(t))]
    for t in amounts[:: max(1, math.ceil(len(amounts) / 7))]:
        body.append(line(layout.left, y(t), layout.right, y(t), "grid"))
        body.append(words(_short(t), layout.left - 7, y(t) + 4, "tick", "end"))
    counts = [10.0**k for k in range(round(math.log10(span[0])), round(math.log10(span[1])) + 1)]
    for t in counts[:: 1 if layout.fit == "wide" else max(1, math.ceil(len(counts) / 4))]:
        body.append(words(_short(t), x(t), layout.bottom + 19, "tick", "middle"))
    body.append(layout.axis_title("questions answered"))
    body.append(words(f"total, {shorten(cost.prices.currency, 12)}", layout.left + 6, layout.top + 15, "axis"))
    return body


def _break_even(cost: Cost, x: Scale, span: tuple[float, float], layout: Layout) -> list[Markup]:
    """The band of the interval and the line of the estimate."""
    main = cost.main_break_even
    if main is None or main.state != "from" or not main.questions or main.low is None:
        return []
    low, high = x(max(main.low, span[0])), x(min(main.high or span[1], span[1]))
    height = layout.bottom - layout.top
    return [
        tag("rect", x=low, y=layout.top, width=max(high - low, 1.5), height=height, class_="band break-even-band"),
        line(x(main.questions), layout.top, x(main.questions), layout.bottom, "break-even"),
    ]


def _curve(li: Line, x: Scale, y: Scale, span: tuple[float, float], floor: float) -> Markup:
    steps = 72
    across = [span[0] * (span[1] / span[0]) ** (k / steps) for k in range(steps + 1)]
    points = " ".join(f"{x(v):.1f},{y(max(li.at(v), floor)):.1f}" for v in across)
    return tag("polyline", points=points, class_=f"cost-line {li.css}")


def _apart(heights: list[float], layout: Layout) -> list[float]:
    """Label heights in the same order, at least _LABEL apart and inside the drawing."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    moved = dict.fromkeys(order, 0.0)
    last = layout.top - _LABEL
    for i in order:
        last = moved[i] = max(heights[i], last + _LABEL)
    limit = layout.height - 8
    for i in reversed(order):
        limit = moved[i] = min(moved[i], limit)
        limit -= _LABEL
    return [moved[i] for i in range(len(heights))]


def _short(value: float) -> str:
    """10k, 1M, 0.01."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}" if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−")
