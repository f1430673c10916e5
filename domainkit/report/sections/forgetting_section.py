"""The section on forgetting: its rows and figures as text."""

from __future__ import annotations

from domainkit.results.schema import Forgetting, GeneralText
from domainkit.verdict import numbers

LOST_SHOWN = 100
"""Lost questions on the page; more are counted."""


def bits(text: GeneralText) -> str:
    """+0.012 (+0.004 to +0.021)."""
    value = _signed(text.difference)
    if text.low is None or text.high is None:
        return value
    return f"{value} ({_signed(text.low)} to {_signed(text.high)})"


def group_rows(f: Forgetting) -> list[tuple[str, str, str, str]]:
    """(questions, base %, adapter %, difference), all questions first."""
    rows = [
        (
            f"all {f.difference.n:,}",
            f"{numbers.percent(f.base.value)} ({numbers.interval(f.base)})",
            f"{numbers.percent(f.tuned.value)} ({numbers.interval(f.tuned)})",
            f"{numbers.points(f.difference.value)} ({numbers.difference_interval(f.difference)})",
        )
    ]
    for name, (base, tuned) in f.groups.items():
        gap = (tuned.value or 0.0) - (base.value or 0.0)
        rows.append((name, numbers.percent(base.value), numbers.percent(tuned.value), numbers.points(gap)))
    return rows


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
