"""The models of a comparison of several: what each is, which version answered and when, and what held its answers."""

from __future__ import annotations

from domainkit.report.wording.text import shorten
from domainkit.results.schema import ModelFacts, Results
from domainkit.verdict import numbers

HEADS = ("Model", "What it is", "Runs", "Version", "Asked", "Answers held by", "Unreadable, %")
LEAD = (
    "A variant is named after its model: few-shot@NAME. A hosted model can change behind its name: the version and the "
    "dates say which one answered. Unreadable answers name nothing of the task, and count as wrong."
)
MOST = 3
"""Versions that are shown; results.json has all."""


def model_rows(results: Results) -> list[list[str]]:
    """A row for each model, under HEADS; none where the base alone answered."""
    return [_row(m) for m in results.models]


def _row(m: ModelFacts) -> list[str]:
    return [
        m.name,
        shorten(m.spec, 80) + (" (given as an object)" if m.given else ""),
        "in this process" if m.local else "elsewhere",
        versions_text(m),
        dates_text(m),
        {"parsed": "nothing: read strictly", "": "any text is an answer"}.get(m.held, m.held),
        unreadable_text(m),
    ]


def versions_text(m: ModelFacts) -> str:
    if not m.versions:
        return numbers.DASH
    more = f" and {len(m.versions) - MOST} more" if len(m.versions) > MOST else ""
    return ", ".join(shorten(v, 60) for v in m.versions[:MOST]) + more


def dates_text(m: ModelFacts) -> str:
    """2026-03-01, or from … to …."""
    if not m.asked_from:
        return numbers.DASH
    return m.asked_from if m.asked_from == m.asked_to else f"{m.asked_from} to {m.asked_to}"


def unreadable_text(m: ModelFacts) -> str:
    share = m.unreadable
    text = numbers.DASH if share is None or share.value is None else numbers.percent(share.value)
    spread = (
        f" ({numbers.interval(share)})" if share is not None and share.value is not None and share.value > 0 else ""
    )
    errors = f"; {m.failures:,} {'error' if m.failures == 1 else 'errors'}" if m.failures else ""
    return f"{text}{spread}{errors}"


def model_sentences(results: Results) -> list[str]:
    """A line for each model, for a terminal."""
    return [
        f"model {name}: {what}, {runs}; version {version}; asked {asked}; answers held by {held}; unreadable, %: "
        f"{unreadable}"
        for name, what, runs, version, asked, held, unreadable in model_rows(results)
    ]
