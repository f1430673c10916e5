"""Quality against time, latency or cost, labelled directly, with the line of variants no other beats on both."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from domainkit.report.charts.svg import (
    Box,
    Fit,
    Layout,
    Scale,
    line,
    linear,
    log_ticks,
    logarithmic,
    tag,
    tick_text,
    ticks,
    words,
)
from domainkit.report.wording.labels import primary, primary_heading
from domainkit.report.wording.text import columns, shorten
from domainkit.results.lookups import cost_per_thousand
from domainkit.results.schema import Estimate, Results, VariantResult
from domainkit.verdict.numbers import is_finite, money, percent, seconds

NEAR = 18.0
"""Up to this distance a label needs no line to its point."""


@dataclass(frozen=True)
class Point:
    """A variant in the drawing."""

    name: str
    time: float
    """Its position on the horizontal axis: seconds or money."""
    score: Estimate
    chosen: bool

    @property
    def value(self) -> float:
        return self.score.value or 0.0


WIDE = Layout("wide", width=1000, height=444, left=64, right=976, top=18, bottom=384, names=30)
NARROW = Layout("narrow", width=340, height=404, left=36, right=332, top=14, bottom=350, names=17)
_LETTER: dict[Fit, float] = {"wide": 6.9, "narrow": 6.5}
"""Width of a column of text."""


@dataclass(frozen=True)
class Axis:
    """What quality is drawn against."""

    key: str
    title: str
    label: str
    of: Callable[[Results, VariantResult], float | None]
    """The variant's figure, in seconds or money."""
    text: Callable[[float | None], str] = seconds


@dataclass(frozen=True)
class View:
    """The drawing for one axis."""

    axis: Axis
    chart: Markup
    absent: tuple[str, ...]
    """Variants without a figure for the axis."""


TIME = Axis("", "compute time", "compute seconds per question", lambda r, v: v.usage.seconds_per_item)
LATENCY = Axis("latency", "latency, alone", "seconds of one question alone", lambda r, v: v.latency.median)
COST = Axis("cost", "cost", "cost of 1,000 questions", lambda r, v: cost_per_thousand(r, v.name), money)


def views(results: Results, prefix: str = "") -> list[View]:
    """Quality against each axis for which two variants or more have a figure."""
    drawings = []
    for axis in (TIME, LATENCY, COST):
        chart = scatter(results, prefix, axis)
        if chart:
            drawn = {p.name for p in scatter_points(results, axis)}
            drawings.append(View(axis, chart, tuple(v.name for v in results.variants if v.name not in drawn)))
    return drawings


def scatter_points(results: Results, axis: Axis = TIME) -> list[Point]:
    """Variants with both a score and a figure above zero for the axis."""
    points = []
    for v in results.variants:
        score, time = primary(results, v), axis.of(results, v)
        if is_finite(score.value) and time is not None and math.isfinite(time) and time > 0:
            points.append(Point(v.name, time, score, v.name == results.verdict.choice))
    return points


def pareto(points: list[Point]) -> list[Point]:
    """The points that no other equals or beats in both time and score, from fastest to slowest."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.time, -p.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    return best


def scatter(results: Results, prefix: str = "", axis: Axis = TIME) -> Markup:
    """Both drawings, for wide and for narrow screens; nothing with fewer than two points. Ids begin with `prefix`."""
    points = scatter_points(results, axis)
    if len(points) < 2:
        return Markup("")
    return _draw(results, points, WIDE, prefix, axis) + _draw(results, points, NARROW, prefix, axis)


def _time_axis(points: list[Point], frame: Box) -> tuple[Scale, list[float], bool]:
    """The scale of time and its ticks: logarithmic where the slowest takes over eight times the fastest."""
    low, high = min(p.time for p in points), max(p.time for p in points)
    if high / low > 8:
        domain = (low / 1.6, high * 2.5)
        return logarithmic(domain, (frame.x, frame.x + frame.width)), log_ticks(*domain), True
    domain = (0.0, high * 1.25)
    return linear(domain, (frame.x, frame.x + frame.width)), ticks(*domain), False


def _draw(results: Results, points: list[Point], layout: Layout, prefix: str, kind: Axis) -> Markup:
    frame = layout.frame
    x, x_ticks, is_log = _time_axis(points, frame)
    if layout.fit == "narrow" and len(x_ticks) > 5:
        x_ticks = x_ticks[:: math.ceil(len(x_ticks) / 5)]
    lows = [100 * (p.score.low if p.score.low is not None else p.value) for p in points]
    highs = [100 * (p.score.high if p.score.high is not None else p.value) for p in points]
    domain = (max(0.0, min(lows) - 4), min(100.0, max(highs) + 4))
    y = linear(domain, (frame.y + frame.height, frame.y))
    bottom = frame.y + frame.height
    marks = ticks(*domain)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    body = [line(frame.x, y(t), frame.x + frame.width, y(t), "grid") for t in marks]
    body += [words(tick_text(t, step), frame.x - 8, y(t) + 4, "tick", "end") for t in marks]
    tick_label = _time_text if kind.text is seconds else kind.text
    body += [words(tick_label(t), x(t), bottom + 20, "tick", "middle") for t in x_ticks]
    axis = kind.label + (f", {results.cost.prices.currency}" if kind is COST and results.cost else "")
    axis += ", logarithmic" if is_log else ""
    body.append(words(axis, frame.x + frame.width / 2, bottom + 44, "axis", "middle"))
    body.append(_pareto_line(points, x, y, frame))
    centres = [(x(p.time), y(100 * p.value)) for p in points]
    for point, (px, py), low, high in zip(points, centres, lows, highs, strict=True):
        body.append(line(px, y(low), px, y(high), "whisker chosen" if point.chosen else "whisker plain"))
        body.append(
            tag("circle", cx=px, cy=py, r=6.5 if point.chosen else 4.5, class_="dot chosen" if point.chosen else "dot")
        )
    bars = [Box(px - 3, y(high), 6, y(low) - y(high)) for (px, _), low, high in zip(centres, lows, highs, strict=True)]
    body += _labels(points, centres, bars, layout)
    title = f"{primary_heading(results)} in percent against {kind.label.replace('compute ', '')}"
    description = ". ".join(f"{shorten(p.name, 60)}: {percent(p.value)} % in {kind.text(p.time)}" for p in points)
    if kind is COST:
        description = description.replace(" % in ", " % for ")
    return layout.drawing(f"{prefix}scatter{'-' if kind.key else ''}{kind.key}", title, description, body)


def _pareto_line(points: list[Point], x: Scale, y: Scale, frame: Box) -> Markup:
    """A step line: the best score to be had within a given time."""
    best = pareto(points)
    path = f"M{x(best[0].time):.1f},{y(100 * best[0].value):.1f}"
    for point in best[1:]:
        path += f" H{x(point.time):.1f} V{y(100 * point.value):.1f}"
    return tag("path", d=f"{path} H{frame.x + frame.width:.1f}", class_="pareto")


def _labels(points: list[Point], centres: list[tuple[float, float]], bars: list[Box], layout: Layout) -> list[Markup]:
    """Each name beside its point, where it covers least; a thin line leads to a name that is not close."""
    frame = layout.frame
    dots = [Box(px - 7, py - 7, 14, 14) for px, py in centres]
    boxes = [*bars, *dots]
    body: list[Markup] = []
    for i in sorted(range(len(points)), key=lambda i: (not points[i].chosen, centres[i][1])):
        (px, py), name, recommended = centres[i], shorten(points[i].name, layout.names), points[i].chosen
        width = columns(name) * _LETTER[layout.fit] * (1.12 if recommended else 1.0) + 4
        others = dots[:i] + dots[i + 1 :]
        box, reach = min(_candidates(px, py, width), key=lambda c: _cost(c[0], c[1], centres[i], boxes, others, frame))
        boxes.append(box)
        if reach > NEAR:
            body.append(line(px, py, *_end(box, px, py), "leader"))
        body.append(words(name, box.x + 2, box.y + 12.5, "label chosen" if recommended else "label"))
    return body


def _candidates(px: float, py: float, width: float) -> list[tuple[Box, float]]:
    """Candidate boxes around a point with their distance from it, nearest first."""
    return [
        (Box(left, py + up - 8, width, 16), float(reach + abs(up) / 2))
        for reach, up in itertools.product((10, 26, 44, 66), (0, -13, 13, -28, 28, -48, 48, -70, 70))
        for left in (px + reach, px - reach - width)
    ]


def _end(box: Box, px: float, py: float) -> tuple[float, float]:
    """Where the line from a point meets the label's box."""
    return min(max(px, box.x), box.x + box.width), min(max(py, box.y), box.y + box.height)


def _cost(box: Box, reach: float, spot: tuple[float, float], boxes: list[Box], others: list[Box], frame: Box) -> float:
    """What a box covers, how far it is, and how much of its line runs over other points."""
    crossed = 0.0
    if reach > NEAR:
        (px, py), (ex, ey) = spot, _end(box, *spot)
        steps = [Box(px + (ex - px) * k / 8 - 1, py + (ey - py) * k / 8 - 1, 2, 2) for k in range(1, 9)]
        crossed = sum(step.overlap(other) for step in steps for other in others)
    return 10 * sum(box.overlap(t) for t in boxes) + 40 * box.outside(frame) + 40 * crossed + reach


def _time_text(value: float) -> str:
    return f"{1000 * value:g} ms" if value < 1 else f"{value:g} s"
