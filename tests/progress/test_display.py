"""Times, and the pace of a part that an earlier run had begun."""

from __future__ import annotations

import pytest

from domainkit.progress.display import Part, clock


@pytest.mark.parametrize("seconds,text", [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3900, "1:05:00")])
def test_a_time_is_read_at_a_glance(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_what_an_earlier_run_has_done_is_not_of_this_pace() -> None:
    part = Part(50)
    part.began -= 10
    assert part.line("rag", 60, 100, "", None) == "rag: 60/100 · 0:40 left"
