"""The training recipe behind an adapter: the same rows and settings, other seeds, on the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from domainkit.adapters.folder import Adapter, Card
from domainkit.comparison.call_runnable import Late, Progress, answer_all
from domainkit.comparison.plan import Plan
from domainkit.comparison.score import Rows, score_rows
from domainkit.errors import AdapterError
from domainkit.evaluation.answers_on_disk import RowStore
from domainkit.evaluation.task import clusters_of
from domainkit.results.schema import Recipe
from domainkit.statistics.seeds import weigh

MAY_DIFFER = ("seed", "save_every")


def check_replicas(plan: Plan, replicas: Sequence[Path]) -> tuple[int, ...]:
    """Seeds of the comparison's adapter and its replicas, none where there are no replicas. Raises AdapterError for one that differs in more than its seed."""
    if not replicas:
        return ()
    if plan.adapter is None or plan.adapter.card is None:
        raise AdapterError(
            "replicas were given, but no adapter with a card that they could replicate",
            next_step="give it with --adapter",
        )
    first = plan.adapter.card
    cards = [first]
    for folder in replicas:
        card = Adapter.load(folder).card
        assert card is not None  # load refuses a folder without one
        if different := _differences(first, card):
            raise AdapterError(
                f"is no replica of {plan.adapter.folder}: {different}",
                where=str(folder),
                next_step="train it on the same rows with the same settings and another seed",
            )
        if any(card.config["seed"] == c.config["seed"] for c in cards):
            raise AdapterError(
                f"was trained with seed {card.config['seed']}, as another of the adapters given",
                where=str(folder),
                next_step="train it with seed=N, another N for each",
            )
        cards.append(card)
    return tuple(int(card.config["seed"]) for card in cards)


def _differences(a: Card, b: Card) -> str:
    if a.base_fingerprint != b.base_fingerprint:
        return f"it was trained on {b.base}, not on {a.base}"
    if a.data_fingerprint != b.data_fingerprint:
        return "it was trained on other rows"
    fixed = [k for k in {*a.config, *b.config} if k not in MAY_DIFFER and a.config.get(k) != b.config.get(k)]
    return ", ".join(f"{k} is {b.config.get(k)!r}, not {a.config.get(k)!r}" for k in sorted(fixed))


def weigh_recipes(
    plan: Plan,
    rows: Mapping[str, Rows],
    replicas: Sequence[Path],
    seeds: tuple[int, ...],
    store: RowStore,
    on_progress: Progress | None = None,
) -> list[Recipe]:
    """For each variant that answers with the adapter: its score and its difference to the baseline, over items and seeds.

    `seeds` are those of `check_replicas`. A variant that a race stopped asking has none.
    """
    if not replicas:
        return []
    found = []
    for variant in plan.variants:
        answered = rows[variant.name]
        if not variant.tuned or variant.context or None in answered:
            continue
        columns = [_primary(plan, answered)]
        for folder, seed in zip(replicas, seeds[1:], strict=True):
            other = replace(plan, material=replace(plan.material, adapter=folder))
            size = plan.material.config.batch_size
            more = answer_all(
                f"{variant.name}, seed {seed}", other.key(variant), Late(partial(other.chain, variant)),
                plan.material.task.samples, store, batch_size=size, on_progress=on_progress,
            )  # fmt: skip
            columns.append(_primary(plan, more))
        baseline = None if variant.name == plan.baseline else _primary(plan, rows[plan.baseline])
        recipe = weigh(columns, baseline, clusters_of(plan.material.task.samples), plan.material.config.margin)
        found.append(Recipe(variant=variant.name, baseline=plan.baseline, seeds=seeds, **recipe))
    return found


def _primary(plan: Plan, rows: Rows) -> list[float | None]:
    return score_rows(plan.metrics, plan.material.task.samples, rows)[plan.metrics.primary]


__all__ = ["check_replicas", "weigh_recipes"]
