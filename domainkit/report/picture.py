"""A chart of the report as a picture of its own: an SVG file that needs neither the page nor its style sheet.

Always on a white ground, since a notebook or a slide may be dark.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from markupsafe import Markup

from domainkit.errors import ConfigError
from domainkit.registry import Table
from domainkit.report.charts import scatter
from domainkit.report.charts.svg import Fit
from domainkit.report.html import read_template
from domainkit.results.schema import Results
from domainkit.storage import write_text

FIGURES: Table[Callable[[Results], Markup]] = Table(
    "figure",
    {
        "forest": "domainkit.report.charts.forest:forest",
        "quality_and_time": "domainkit.report.picture:quality_and_time",
        "quality_and_latency": "domainkit.report.picture:quality_and_latency",
        "quality_and_cost": "domainkit.report.picture:quality_and_cost",
        "learning_curve": "domainkit.report.charts.curve:curve_chart",
        "total_cost": "domainkit.report.charts.total_cost:volume_chart",
    },
)
"""The figures that can be taken out of a report one by one."""
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


class Picture:
    """A chart's drawing for one kind of screen. A notebook shows it as the last value of a cell."""

    def __init__(self, chart: Markup, fit: Fit = "wide") -> None:
        """`chart` is what a function of the report draws, as `forest(results)`; `results.figure(name)` does both."""
        self.svg = _standalone(str(chart), fit)

    def save(self, path: str | Path) -> None:
        """Write the SVG file. Raises ConfigError where there is too little to draw."""
        if not self.svg:
            raise ConfigError(
                f"{path} was not written: there is too little to draw",
                next_step="print the picture's results: a curve needs parts of the training rows, a cost needs prices",
            )
        write_text(Path(path), self.svg + "\n")

    def _repr_svg_(self) -> str | None:
        return self.svg or None

    def __repr__(self) -> str:
        title = re.search(r"<title[^>]*>(.*?)</title>", self.svg)
        return f"<picture: {Markup(title[1]).unescape()}>" if title else "<no picture: too little to draw>"


def figure(results: Results, name: str) -> Picture:
    """The figure `name` of FIGURES. Raises ConfigError for another name."""
    if name not in FIGURES:
        raise ConfigError(f"there is no figure '{name}'", next_step=f"one of: {', '.join(FIGURES)}")
    return Picture(FIGURES.load(name)(results))


def quality_and_time(results: Results) -> Markup:
    return scatter.scatter(results, axis=scatter.TIME)


def quality_and_latency(results: Results) -> Markup:
    return scatter.scatter(results, axis=scatter.LATENCY)


def quality_and_cost(results: Results) -> Markup:
    return scatter.scatter(results, axis=scatter.COST)


def _standalone(chart: str, fit: Fit) -> str:
    """The chart's <svg> for `fit` with its size and the rules it needs; nothing where nothing was drawn."""
    drawing = re.search(rf'<svg([^>]*class="chart {fit}".*?)</svg>', chart, re.DOTALL)
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', drawing[0]) if drawing else None
    if drawing is None or size is None:
        return ""
    width, height = size.groups()
    attributes, _, body = drawing[1].partition(">")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"{attributes}>'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"></rect>'
    return f"{head}<style>{_rules(drawing[0])}</style>{ground}{body}</svg>"


def _rules(svg: str) -> str:
    """The style sheet's colours and the rules whose classes the drawing has, without those for some screens only."""
    plain = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", read_template("report.css"))
    drawn = {name for names in re.findall(r'class="([^"]*)"', svg) for name in names.split()}
    rules = []
    for selectors, body in _RULE.findall(plain):
        fitting = [s.strip() for s in selectors.split(",") if _fits(s, drawn)]
        if fitting:
            rules.append(f"{', '.join(fitting)} {{{body}}}")
    # Without the page's margins and the mark that its slider moves.
    return "\n".join([*rules, ".chart {margin: 0}", ".volume-mark {display: none}"])


def _fits(selector: str, drawn: set[str]) -> bool:
    classes = re.findall(r"\.([\w-]+)", selector)
    return selector.strip() == ":root" or (bool(classes) and set(classes) <= drawn)
