"""What a busy server asks for: the header Retry-After (RFC 9110, 10.2.3), in seconds or as a date."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 60.0
"""Seconds before the next attempt, whatever a server asks for."""


def seconds_asked(header: object) -> float | None:
    """Seconds to wait, at most LONGEST_WAIT; None for a header that is not there, or says neither a number nor a
    date."""
    text = str(header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return min(LONGEST_WAIT, max(0.0, seconds)) if math.isfinite(seconds) else None
