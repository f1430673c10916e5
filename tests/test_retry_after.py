"""A server says how long to wait in seconds or as a date; nobody waits longer than a minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from domainkit.retry_after import LONGEST_WAIT, seconds_asked


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("3600", LONGEST_WAIT),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("nan", None),
        ("²", None),
        ("soon", None),
        (None, None),
    ],
)
def test_what_a_header_says(header: str | None, seconds: float | None) -> None:
    assert seconds_asked(header) == seconds


def test_a_date_is_counted_from_now() -> None:
    asked = seconds_asked(format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))
    assert asked is not None
    assert 15 < asked <= 20
