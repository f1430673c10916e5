"""Times as people write them."""

from __future__ import annotations

import pytest

from domainkit.splitting.times import AmbiguousDatesError, parse_times, show


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-28", "2026-11-28"),
        ("2026/11/28 09:30", "2026-11-28 09:30:00"),
        ("2026-11-28T09:30:00+02:00", "2026-11-28 07:30:00"),
        ("2026-11-28T09:30:00Z", "2026-11-28 09:30:00"),
        ("28.11.2026", "2026-11-28"),
        ("1.2.2026 8:05", "2026-02-01 08:05:00"),
        (1795824000, "2026-11-28"),
        (1795824000000, "2026-11-28"),
        ("Sat, 28 Nov 2026 09:30:00 +0100", "2026-11-28 08:30:00"),
    ],
)
def test_each_form_is_read(written: object, shown: str) -> None:
    [seconds] = parse_times([written])
    assert seconds is not None
    assert show(seconds) == shown


def test_the_column_tells_days_from_months() -> None:
    assert [show(t or 0) for t in parse_times(["03/04/2024", "25/04/2024"])] == ["2024-04-03", "2024-04-25"]
    assert [show(t or 0) for t in parse_times(["03/04/2024", "04/25/2024"])] == ["2024-03-04", "2024-04-25"]
    with pytest.raises(AmbiguousDatesError, match="03/04/2024"):
        parse_times(["03/04/2024", "05/06/2024"])


def test_what_is_no_time_is_none() -> None:
    assert parse_times(["soon", None, True, "", "2026-13-40", "12"]) == [None] * 6
