"""Every state has its own shape."""

from __future__ import annotations

import re

from domainkit.report.charts.forest import forest
from domainkit.results.schema import Results


def test_the_forest_draws_each_state_with_its_own_shape(label_results: Results) -> None:
    drawing = str(forest(label_results))
    wide = drawing[: drawing.index('id="forest-narrow-title"')]
    shapes = dict(re.findall(r'<path d="([^"]+)"[^>]*class="mark ([a-z-]+)"', wide))
    assert len(set(shapes.values())) == len(shapes) >= 2
    assert "chosen-row" in wide
    assert "few-shot: +4.6, 95 % interval" in wide
    assert "CANNOT TELL YET, needs about 1,840 questions" in wide


def test_nothing_is_drawn_without_differences(label_results: Results) -> None:
    none = tuple(v.model_copy(update={"difference": None}) for v in label_results.variants)
    assert forest(label_results.model_copy(update={"variants": none})) == ""
