"""Figures and tables as Markdown."""

from __future__ import annotations

from typing import Any


def percent(estimate: dict[str, Any] | None) -> str:
    if not estimate or estimate["value"] is None:
        return "—"
    interval = f" ({100 * estimate['low']:.1f}–{100 * estimate['high']:.1f})" if estimate["low"] is not None else ""
    return f"{100 * estimate['value']:.1f} %{interval}"


def number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
