"""Figures in the sentences of a verdict."""

from __future__ import annotations

from domainkit.results.schema import Difference, Forgetting


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def points(d: Difference) -> str:
    """+4.0 points (1.1 to 6.9), with a true minus sign."""
    return f"{100 * d.value:+.1f} points ({100 * d.low:.1f} to {100 * d.high:.1f})".replace("-", "−")


def rounded(n: int) -> int:
    """Up to two digits that count: a forecast claims no more."""
    step = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step


def forgetting_sentence(f: Forgetting) -> str:
    """The gate in one sentence."""
    d = f.difference
    change = f"{'lost' if d.value < 0 else 'gained'} {100 * abs(d.value):.1f} points"
    change = change if abs(d.value) >= 5e-4 else "changed nothing"
    interval = f"{100 * d.low:+.1f} to {100 * d.high:+.1f}".replace("-", "−")
    needs = f", it needs about {f.needed:,} questions" if f.needed and f.gate == "cannot tell yet" else ""
    told = f"Fine-tuning {change} on {d.n:,} general questions ({interval}): gate {f.gate} at −{100 * f.margin:g} points{needs}."
    if f.gate != "passed" and d.high < 0:
        told = told[:-1] + "; some loss is shown."
    return told
