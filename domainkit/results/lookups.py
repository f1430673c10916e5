"""What readers of results.json look up in it."""

from __future__ import annotations

from collections.abc import Iterator

from domainkit.results.schema import Item, Results, VariantResult


def find_variant(results: Results, name: str) -> VariantResult | None:
    return next((v for v in results.variants if v.name == name), None)


def shown_question(item: Item) -> str:
    """The question; where it has earlier turns, behind these, each with its role."""
    if not item.turns:
        return item.input
    return "\n".join([*(f"{t.role}: {t.content}" for t in item.turns), f"user: {item.input}"])


def short_question(item: Item) -> str:
    """The question, with the number of its earlier turns, for where there is room for little."""
    return f"(after {len(item.turns)} turns) {item.input}" if item.turns else item.input


def metric_names(results: Results) -> list[str]:
    """All metrics of the file, the primary one first."""
    names = dict.fromkeys([results.task.primary_metric])
    for variant in results.variants:
        names.update(dict.fromkeys(variant.metrics))
    return list(names)


def group_names(results: Results) -> list[str]:
    return list(dict.fromkeys(name for v in results.variants for name in v.groups))


def hit_names(results: Results) -> list[str]:
    """The keys of all hit rates: "hit@3"."""
    return list(dict.fromkeys(name for v in results.variants for name in v.retrieval))


def score_of(item: Item, variant: str, metric: str) -> float | None:
    """The answer's score; a failed one scores 0, as in the variant's mean. None where the item was not asked."""
    answer = item.answers.get(variant)
    if answer is None:
        return None
    score = answer.scores.get(metric)
    return 0.0 if score is None and answer.error is not None else score


def flips(results: Results, *, gains: bool) -> Iterator[Item]:
    """Items that the choice answers better (`gains`) or worse than the baseline."""
    for item in results.items:
        before = score_of(item, results.baseline, results.task.primary_metric)
        after = score_of(item, results.verdict.choice, results.task.primary_metric)
        if before is not None and after is not None and (after > before if gains else after < before):
            yield item


def confidence_level(results: Results) -> float:
    """Of the intervals of the variants' scores."""
    return next((e.level for v in results.variants for e in v.metrics.values()), 0.95)


def cost_per_thousand(results: Results, variant: str) -> float | None:
    """What 1,000 questions cost with the variant; None where no cost was counted."""
    costs = results.cost.variants if results.cost else ()
    return next((c.per_thousand.value for c in costs if c.name == variant), None)
