"""The largest groups are drawn, in their own order."""

from __future__ import annotations

from domainkit.report.charts.groups import SHOWN, group_charts, group_size, largest_groups
from domainkit.results.schema import Estimate, Results


def test_of_many_groups_the_largest_are_drawn_in_their_order(label_results: Results) -> None:
    groups = {f"g{k:02d}": Estimate(value=0.5, n=k) for k in range(SHOWN + 3)}
    variants = tuple(v.model_copy(update={"groups": groups}) for v in label_results.variants)
    assert largest_groups(label_results.model_copy(update={"variants": variants})) == list(groups)[3:]


def test_a_drawing_names_its_group_and_every_variant(label_results: Results) -> None:
    charts = group_charts(label_results)
    assert [name for name, _, _ in charts] == ["cards", "transfers", "accounts", "security"]
    assert all(size == group_size(label_results, name) == 60 for name, size, _ in charts)
    assert all(chart.count('class="dot') == len(label_results.variants) for _, _, chart in charts)
