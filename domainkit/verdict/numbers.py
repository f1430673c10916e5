"""Numbers for a reader: percent and points with one decimal, durations in their natural unit, None as a dash."""

from __future__ import annotations

import math

from domainkit.results.schema import Difference, Estimate

DASH = "—"


def is_finite(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def fixed(value: float, decimals: int = 1) -> str:
    """`value` with a true minus sign and no negative zero."""
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "−")


def percent(value: float | None, decimals: int = 1) -> str:
    """0.8312 as 83.1 (the unit stands in the heading)."""
    return DASH if value is None or not math.isfinite(value) else fixed(100 * value, decimals)


def points(value: float | None, decimals: int = 1) -> str:
    """0.125 as +12.5, a difference in percentage points."""
    text = percent(value, decimals)
    return text if text in (DASH, "0", "0.0") or text.startswith("−") else f"+{text}"


def interval(estimate: Estimate) -> str:
    """79.1 to 86.5, or nothing where there is no interval."""
    if estimate.value is None or not is_finite(estimate.low) or not is_finite(estimate.high):
        return ""
    return f"{percent(estimate.low)} to {percent(estimate.high)}"


def difference_interval(difference: Difference | Estimate) -> str:
    """+8.1 to +16.7."""
    return f"{points(difference.low)} to {points(difference.high)}"


def seconds(value: float | None) -> str:
    """A duration: 4 ms, 0.42 s, 12 s, 3 min 20 s, 2 h 05 min."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 0.0995:
        return f"{1000 * value:.0f} ms" if value == 0 or value >= 0.00095 else f"{1000 * value:.2g} ms"
    if value < 59.5:
        return f"{value:.2f} s" if value < 0.995 else f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def count(value: float | None) -> str:
    """A count, or a mean of counts: 1,204; one decimal below ten."""
    if value is None or not math.isfinite(value):
        return DASH
    return fixed(value, 0 if value >= 10 or value == int(value) else 1)


def money(value: float | None) -> str:
    """An amount without its currency: 1,204, 12.40, 0.0047, <0.0001."""
    if value is None or not math.isfinite(value):
        return DASH
    if abs(value) >= 1000:
        return fixed(value, 0)
    if abs(value) >= 1:
        return fixed(value, 2)
    if value == 0 or abs(value) >= 0.0001:
        return f"{value:.2g}".replace("-", "−")
    return "<0.0001"


def volume(value: float | None) -> str:
    """A number of questions to two digits that count: 2,400."""
    if value is None or not math.isfinite(value):
        return DASH
    return fixed(float(f"{value:.2g}"), 0)


def p_value(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def size(value: int) -> str:
    """Bytes as kB, MB or GB (powers of ten)."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value} B"
