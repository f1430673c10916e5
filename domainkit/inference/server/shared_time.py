"""The seconds that a request takes of a server that answers many at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedTime:
    """At each moment, every open request has an equal part of the time; so the parts add up to the time that passed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._moment = 0.0
        self._whole = 0.0
        """The part, since the start, of a request that was open all the time."""

    @contextmanager
    def part(self) -> Iterator[Callable[[], float]]:
        """While it is open, a request. What it gives says the request's seconds so far."""
        begin = self._now(1)
        try:
            yield lambda: self._now() - begin
        finally:
            self._now(-1)

    def _now(self, change: int = 0) -> float:
        with self._lock:
            moment = time.monotonic()
            if self._open:
                self._whole += (moment - self._moment) / self._open
            self._moment = moment
            self._open += change
            return self._whole
