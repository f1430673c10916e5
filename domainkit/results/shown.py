"""How results show themselves to a person at a prompt: in a notebook, as single figures, as frames of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from domainkit.registry import Table

if TYPE_CHECKING:
    from pandas import DataFrame

    from domainkit.report.picture import Picture
    from domainkit.results.schema import Results

VIEWS = Table(
    "view",
    {
        "figure": "domainkit.report.picture:figure",
        "frame": "domainkit.report.frames:frame",
        "portfolio": "domainkit.report.notebook:portfolio_html",
        "results": "domainkit.report.notebook:results_html",
        "verdict": "domainkit.report.notebook:verdict_html",
    },
)
"""What makes each view. The report stands above the results, so it is named here and loaded when it is asked for."""


class Shown:
    """The views of `Results`."""

    def figure(self, name: str) -> Picture:
        """One figure of the report: "forest", "quality_and_time", "quality_and_latency", "quality_and_cost",
        "learning_curve" or "total_cost". A notebook shows it; `.save(path)` writes it as an SVG file.

        Raises ConfigError for another name.
        """
        return cast("Picture", VIEWS.load("figure")(self, name))

    def frame(self, name: str) -> DataFrame:
        """One table as a frame of pandas: "variants", "differences", "items", "groups", "retrieval", "cost",
        "learning_curve" or "leaks". Scores are fractions in [0, 1], times seconds; None is a missing value.

        Raises ConfigError for another name, and MachineError where pandas is not installed.
        """
        return cast("DataFrame", VIEWS.load("frame")(cast("Results", self), name))

    def _repr_html_(self) -> str:
        return cast(str, VIEWS.load("results")(self))
