"""Which rows read their new tokens together: of like length, since a pass is as long as its longest row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domainkit.inference.engine.sequence import Row

TOKENS_AT_ONCE = 1024
"""A longer prompt is read in parts, one at each step, so that running answers do not wait for it."""
LOGITS_PER_PASS = 2048
"""Most places in one pass whose logits are wanted; each is a row of vocabulary width."""
WASTE = {"cpu": 32, "cuda": 1024}
"""Padding tokens that cost less than one more pass over the weights."""


def passes(rows: Sequence[Row], budget: int, device: str) -> Iterator[list[Row]]:
    """Rows grouped for passes: at most `budget` tokens each, and no more padding than pays on this kind of device."""
    most_waste = WASTE.get(device, 256)
    group: list[Row] = []
    waste = wanted = longest = 0
    for row in sorted((r for r in rows if not r.done), key=lambda r: len(r.seat.chunk)):
        length = len(row.seat.chunk)
        added = (length - longest) * len(group)
        n, wanted = len(group) + 1, max(wanted, row.wants)
        if group and (waste + added > most_waste or length * n > budget or wanted * n > LOGITS_PER_PASS):
            yield _in_slot_order(group)
            group, waste, added, wanted = [], 0, 0, row.wants
        group.append(row)
        waste, longest = waste + added, length
    if group:
        yield _in_slot_order(group)


def _in_slot_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda r: r.seat.slot)


__all__ = ["TOKENS_AT_ONCE", "passes"]
