"""Times as people write them, as seconds since 1970. A time without a zone counts as UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIELDS = ("time", "timestamp", "date", "datetime", "created_at", "created", "createdat", "sent_at", "updated_at")
"""Names of fields that hold a time, without case, the most telling first."""
_PARTS = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[ T,]+(\d{1,2}:\d{2}(?::\d{2})?))?")


class AmbiguousDatesError(ValueError):
    """03/04/2024 may be in March or in April, and no other value tells."""


def parse_times(values: Sequence[object]) -> list[float | None]:
    """Seconds since 1970 for each value, None for one that is not a time: ISO 8601, year-month-day with any divider,
    day.month.year, seconds or milliseconds since 1970, and the form of mail. Of 03/04/2024 other values of the column
    tell which is the month. Raises AmbiguousDatesError where none does."""
    found = [m for v in values if (m := _PARTS.fullmatch(str(v).strip())) and m[2] != "." and len(m[1]) < 3]
    day_first = any(int(m[1]) > 12 for m in found)
    month_first = any(int(m[3]) > 12 for m in found)
    if found and day_first == month_first:
        raise AmbiguousDatesError(found[0][0])
    return [_seconds(v, day_first) for v in values]


def show(seconds: float) -> str:
    """The time as a reader knows it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%d" if seconds % 86_400 == 0 else "%Y-%m-%d %H:%M:%S")


def _seconds(value: object, day_first: bool) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    text = str(value).strip()
    if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
        number = float(text)
        return number / 1000 if number >= 1e11 else number
    moment = _numeric(text, day_first) or _iso(text) or _mail(text)
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _numeric(text: str, day_first: bool) -> datetime | None:
    match = _PARTS.fullmatch(text)
    if not match:
        return None
    first, divider, second, third, clock = match.groups()
    if len(first) == 4:
        year, month, day = first, second, third
    elif len(third) == 4:
        day, month, year = (first, second, third) if divider == "." or day_first else (second, first, third)
    else:
        return None
    hour, minute, second_of = [*(int(part) for part in (clock or "").split(":") if part), 0, 0, 0][:3]
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second_of)
    except ValueError:
        return None


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
