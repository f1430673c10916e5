"""Whether one model gave all answers of a variant: a hosted model may change behind its name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from domainkit.comparison.score import Rows
from domainkit.evaluation.variant import Variant
from domainkit.visible import visible

log = logging.getLogger("domainkit")


def tell_of_versions(variants: Sequence[Variant], rows: Mapping[str, Rows]) -> None:
    """Warn of each named model whose provider reports more than one version among the answers of a variant.

    The fingerprint behind a version's name is not compared: providers change it from day to day.
    """
    for variant in (v for v in variants if v.model is not None):
        answered = [row for row in rows.get(variant.name, ()) if row is not None and row.error is None]
        dates: dict[str, list[str]] = {}
        for row in answered:
            if name := row.model_version.partition(" ")[0]:
                dates.setdefault(name, []).append(row.asked[:10])
        if len(dates) > 1:
            seen = "; ".join(f"{visible(name)} ({_span(days)})" for name, days in dates.items())
            log.warning(
                "%s: its model changed between its answers: %s. --refresh asks all of them again", variant.name, seen
            )


def _span(days: Sequence[str]) -> str:
    first, last = min(days), max(days)
    count = f"{len(days)} answer{'s' if len(days) > 1 else ''}"
    return f"{count}, {first}" if first == last else f"{count}, {first} to {last}"
