"""The picture of README.md: the report's own chart of differences, drawn from a benchmark's stored figures.

It is drawn for wide and for narrow screens.
"""

from __future__ import annotations

import json
from pathlib import Path

from domainkit.report.charts.forest import forest
from domainkit.report.charts.svg import Fit
from domainkit.report.picture import Picture
from domainkit.results.schema import Results, VariantResult, Verdict

FACTS = Path(__file__).parent / "results" / "medquad_ghr.json"
ASSETS = Path(__file__).parents[1] / "docs" / "assets"
FILES: dict[Fit, Path] = {"wide": ASSETS / "medquad_ghr.svg", "narrow": ASSETS / "medquad_ghr_narrow.svg"}


def medquad_ghr(fit: Fit) -> Picture:
    """Each variant's difference to the baseline. The stored facts have only what the chart needs of the results."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    variants = tuple(VariantResult.model_validate({"description": "", **v}) for v in facts["variants"])
    [baseline] = [v.name for v in variants if v.difference is None]
    verdict = Verdict.model_validate(facts["verdict"])
    return Picture(forest(Results.model_construct(variants=variants, baseline=baseline, verdict=verdict)), fit)
