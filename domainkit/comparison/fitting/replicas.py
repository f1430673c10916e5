"""The training recipe behind an adapter: the same rows and settings, other seeds, on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from domainkit.adapters.folder import Adapter, Card
from domainkit.errors import AdapterError

MAY_DIFFER = ("seed", "save_every", "report_to")


def load_replicas(adapter: Adapter | None, folders: Sequence[Path]) -> tuple[Adapter, ...]:
    """The replicas of `adapter`. Raises AdapterError for one that differs in more than its seed, or repeats a seed."""
    if not folders:
        return ()
    if adapter is None or adapter.card is None:
        raise AdapterError(
            "replicas were given, but no adapter with a card that they could replicate",
            next_step="give it with --adapter",
        )
    replicas: list[Adapter] = []
    for folder in folders:
        replica = Adapter.load(folder)
        _check(replica, adapter, replicas)
        replicas.append(replica)
    return tuple(replicas)


def seed_of(adapter: Adapter) -> int:
    """The seed that the adapter was trained with. It has a card."""
    return int(_card(adapter).config["seed"])


def _check(replica: Adapter, adapter: Adapter, others: Sequence[Adapter]) -> None:
    if different := _differences(_card(adapter), _card(replica)):
        raise AdapterError(
            f"is not a replica of {adapter.folder}: {different}",
            where=str(replica.folder),
            next_step="train it on the same rows with the same settings and another seed",
        )
    if seed_of(replica) in map(seed_of, (adapter, *others)):
        raise AdapterError(
            f"was trained with seed {seed_of(replica)}, like another given adapter",
            where=str(replica.folder),
            next_step="train it with seed=N, another N for each",
        )


def _card(adapter: Adapter) -> Card:
    assert adapter.card is not None  # Adapter.load refuses a folder without one
    return adapter.card


def _differences(a: Card, b: Card) -> str:
    if a.base_fingerprint != b.base_fingerprint:
        return f"it was trained on {b.base}, not on {a.base}"
    if a.data_fingerprint != b.data_fingerprint:
        return "it was trained on other rows"
    fixed = [k for k in {*a.config, *b.config} if k not in MAY_DIFFER and a.config.get(k) != b.config.get(k)]
    return ", ".join(f"{k} is {b.config.get(k)!r}, not {a.config.get(k)!r}" for k in sorted(fixed))
