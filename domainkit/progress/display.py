"""What a display of progress is, and the one that shows nothing."""

from __future__ import annotations

import time
from typing import Protocol

SILENT = 2.0
"""Seconds after which a part without a count is named."""


class Display(Protocol):
    """Where parts are shown. It may be called from several threads."""

    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        """`done` of `total`; `note` stands behind it; `left` in seconds where the part knows better than its pace."""

    def begin(self, name: str) -> None:
        """A part without a count has begun."""

    def end(self, name: str) -> None:
        """It has ended."""

    def say(self, text: str) -> None:
        """A line of text, above what still changes."""

    def settle(self) -> None:
        """Nothing changes any more: other output may follow. A later report goes on."""


class Nothing:
    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        pass

    def begin(self, name: str) -> None:
        pass

    def end(self, name: str) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def settle(self) -> None:
        pass


def clock(seconds: float) -> str:
    """0:07, 12:30, 1:05:00."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


class Part:
    """A part that has begun: when, when it was last told, and how long it may take."""

    def __init__(self, done: int) -> None:
        self.began = self.told = time.monotonic()
        self.first = done  # what an earlier run has done took no time now

    def line(self, name: str, done: int, total: int, note: str, left: float | None) -> str:
        took = time.monotonic() - self.began
        if done >= total:
            when = f"in {clock(took)}" if took >= 1 else ""
        else:
            pace = (done - self.first) / took if took else 0.0
            when = f"{clock((total - done) / pace if left is None else left)} left" if pace or left is not None else ""
        return " · ".join(filter(None, (f"{name}: {done:,}/{total:,}", note, when)))
