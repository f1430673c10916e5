"""Total cost against questions: which variants are drawn, and from where to where."""

from __future__ import annotations

from domainkit.report.charts.total_cost import lines_of, totals, volume_chart, volume_data
from domainkit.results.schema import Results


def test_a_variant_of_unknown_cost_is_not_drawn(full: Results) -> None:
    assert full.cost is not None
    variants = tuple(v.model_copy(update={"training": None}) if v.name == "tuned" else v for v in full.cost.variants)
    unknown = full.cost.model_copy(update={"variants": variants})
    assert [li.name for li in lines_of(unknown)] == ["zero-shot", "knn-few-shot", "classical"]
    assert [name for name, _ in totals(unknown)] == ["zero-shot", "knn-few-shot", "classical"]


def test_free_variants_run_along_the_floor(full: Results) -> None:
    chart = volume_chart(full)
    assert "nan" not in chart
    assert "inf" not in chart
    assert "95 % interval" not in chart
    assert full.cost is not None
    data = volume_data(full.cost)
    assert (data["low"], data["high"]) == (2.0, 6.0)


def test_one_known_cost_draws_nothing(full: Results) -> None:
    assert full.cost is not None
    alone = full.cost.model_copy(update={"variants": full.cost.variants[:1]})
    assert volume_chart(full.model_copy(update={"cost": alone})) == ""
