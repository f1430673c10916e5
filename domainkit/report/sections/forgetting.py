"""Forgetting for the reader: rows and words for the page, the Markdown and the terminal."""

from __future__ import annotations

from domainkit.report.wording import numbers
from domainkit.results.schema import Forgetting, GeneralText
from domainkit.verdict.sentences import forgetting_sentence as sentence

LOST_SHOWN = 100


def bits(text: GeneralText) -> str:
    """+0.012 (+0.004 to +0.021)."""
    value = _signed(text.difference)
    if text.low is None or text.high is None:
        return value
    return f"{value} ({_signed(text.low)} to {_signed(text.high)})"


def rows(f: Forgetting) -> list[tuple[str, str, str, str]]:
    """(questions, base %, adapter %, difference), the whole first."""
    found = [
        (
            f"all {f.difference.n:,}",
            f"{numbers.percent(f.base.value)} ({numbers.interval(f.base)})",
            f"{numbers.percent(f.tuned.value)} ({numbers.interval(f.tuned)})",
            f"{numbers.points(f.difference.value)} ({numbers.difference_interval(f.difference)})",
        )
    ]
    for name, (base, tuned) in f.groups.items():
        gap = (tuned.value or 0.0) - (base.value or 0.0)
        found.append((name, numbers.percent(base.value), numbers.percent(tuned.value), numbers.points(gap)))
    return found


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


__all__ = ["LOST_SHOWN", "bits", "rows", "sentence"]
