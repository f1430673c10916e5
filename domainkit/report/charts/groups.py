"""Small multiples: one dot plot per group of questions, all on one scale."""

from __future__ import annotations

from markupsafe import Markup

from domainkit.report.charts.svg import Scale, drawing, line, linear, tag, words
from domainkit.report.wording.labels import primary_heading
from domainkit.report.wording.text import shorten
from domainkit.results.lookups import group_names
from domainkit.results.schema import Estimate, Results
from domainkit.verdict.numbers import is_finite, percent

SHOWN = 12
_WIDTH, _LEFT, _RIGHT, _STEP = 340.0, 152.0, 288.0, 22.0


def group_size(results: Results, group: str) -> int:
    return max((v.groups[group].n for v in results.variants if group in v.groups), default=0)


def largest_groups(results: Results) -> list[str]:
    """The groups drawn: all of them up to `SHOWN`, else those with most questions, in their own order."""
    names = group_names(results)
    largest = set(sorted(names, key=lambda g: -group_size(results, g))[:SHOWN])
    return [name for name in names if name in largest]


def group_charts(results: Results, prefix: str = "") -> list[tuple[str, int, Markup]]:
    """(group, its number of questions, drawing) for each group drawn."""
    return [
        (name, group_size(results, name), _draw(results, name, f"{prefix}group-{key}"))
        for key, name in enumerate(largest_groups(results))
    ]


def _draw(results: Results, group: str, key: str) -> Markup:
    rows = [(v.name, v.groups[group]) for v in results.variants if group in v.groups]
    x = linear((0.0, 1.0), (_LEFT, _RIGHT))
    bottom = _STEP * len(rows) + 8
    body = [line(x(t), 2, x(t), bottom, "grid") for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for k, (name, estimate) in enumerate(rows):
        body += _row(name, estimate, x, 4 + _STEP * (k + 0.5), name == results.verdict.choice)
    body += [words(f"{100 * t:.0f}", x(t), bottom + 14, "tick small", "middle") for t in (0.0, 0.5, 1.0)]
    title = f"{primary_heading(results)} in percent, {shorten(group, 60)}"
    description = ". ".join(f"{shorten(name, 60)}: {percent(e.value)}" for name, e in rows)
    return drawing(key, (_WIDTH, bottom + 18), title, description, body, "multiple")


def _row(name: str, estimate: Estimate, x: Scale, y: float, recommended: bool) -> list[Markup]:
    css = " chosen" if recommended else ""
    body = [words(shorten(name, 21), 0, y + 4, f"label small{css}")]
    if estimate.value is not None and is_finite(estimate.value):
        if estimate.low is not None and estimate.high is not None:
            body.append(line(x(estimate.low), y, x(estimate.high), y, f"whisker{css or ' plain'}"))
        body.append(tag("circle", cx=x(estimate.value), cy=y, r=5.0 if recommended else 3.6, class_=f"dot{css}"))
    body.append(words(percent(estimate.value), _WIDTH, y + 4, f"number small{css}", "end"))
    return body
