"""A chart alone: well-formed SVG that carries the rules of everything it draws, and nothing that reaches out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from domainkit.errors import ConfigError
from domainkit.report.charts.curve import curve_chart
from domainkit.report.charts.forest import forest
from domainkit.report.charts.total_cost import volume_chart
from domainkit.report.picture import FIGURES, Picture
from domainkit.results.schema import Results
from domainkit.verdict.costs.cost import cost_of
from domainkit.verdict.costs.prices import read_prices

CHARTS = (forest, curve_chart, volume_chart)


@pytest.mark.parametrize("draw", CHARTS, ids=lambda d: d.__name__)
def test_it_stands_alone(draw: Callable[[Results], Markup], rich: Results) -> None:
    chart = draw(rich.model_copy(update={"cost": cost_of(rich, read_prices(None))}))
    svg = Picture(chart)._repr_svg_()
    assert svg is not None
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert float(root.get("width", "0")) > 500, "the drawing for wide screens"
    [style] = [e.text or "" for e in root if e.tag.endswith("style")]
    used = set(re.findall(r"var\((--[\w-]+)\)", style))
    assert used
    assert used <= set(re.findall(r"(--[\w-]+):", style)), "every colour it names is in it"
    assert "@" not in style
    assert "url(" not in style
    assert len(svg) < len(chart) + 8_000, "the rules it needs, not the whole sheet"


def test_the_title_is_what_a_terminal_shows(rich: Results, tmp_path: Path) -> None:
    picture = Picture(forest(rich))
    assert repr(picture) == f"<picture: Difference to {rich.baseline}, in points>"
    picture.save(tmp_path / "forest.svg")
    assert (tmp_path / "forest.svg").read_text(encoding="utf-8") == picture.svg + "\n"


def test_an_empty_chart_is_an_empty_picture() -> None:
    assert Picture(Markup(""))._repr_svg_() is None
    assert "too little" in repr(Picture(Markup("")))


def test_an_empty_picture_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="was not written: there is too little to draw"):
        Picture(Markup("")).save(tmp_path / "none.svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_taken_out_by_its_name(rich: Results, name: str) -> None:
    results = rich.model_copy(update={"cost": cost_of(rich, read_prices(None))})
    assert results.figure(name).svg.startswith("<svg")


def test_an_unknown_figure_is_told_with_all_names(rich: Results) -> None:
    with pytest.raises(ConfigError, match="there is no figure 'bars'") as told:
        rich.figure("bars")
    assert str(told.value).endswith("next: one of: " + ", ".join(FIGURES))
