"""The parts of requests that are open at once add up to the time that passed."""

from __future__ import annotations

import pytest

from domainkit.inference.server import shared_time
from domainkit.inference.server.shared_time import SharedTime


def test_each_open_request_has_an_equal_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(shared_time.time, "monotonic", lambda: now[0])
    shared = SharedTime()
    with shared.part() as first:
        now[0] += 4
        with shared.part() as second:
            now[0] += 6
            assert (first(), second()) == (7.0, 3.0)
        now[0] += 1
        assert first() == 8.0
    now[0] += 100  # nothing is asked
    with shared.part() as third:
        now[0] += 2
        assert third() == 2.0
