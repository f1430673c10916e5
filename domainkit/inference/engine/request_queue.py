"""Request queue: where the threads that ask leave their sequences for the model's thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from domainkit.errors import RequestError
from domainkit.inference.engine.sequences.sequence import Sequence

QUIET_SECONDS = 0.004
"""An idle engine starts after this time without a new request: callers that come together then share their
first pass."""
MAX_QUIET_SECONDS = 0.25
"""It starts after this time at the latest, although requests still come: writing the prompts of a batch takes
a while."""
REST_SECONDS = 1.0
"""After this time without work, the KV cache's memory is freed. Sooner, the next request would allocate it again."""


def stopped_error() -> RequestError:
    return RequestError("the interpreter is shutting down", next_step="ask before the program ends")


class RequestQueue:
    """Sequences in order of arrival. Any thread may call every method."""

    def __init__(self) -> None:
        self._waiting: deque[Sequence] = deque()
        self._changed = threading.Condition()
        self.stopped = False

    def put(self, sequences: Iterable[Sequence]) -> None:
        """Add sequences at the end. Raises RequestError after `stop`."""
        with self._changed:
            if self.stopped:
                raise stopped_error()
            self._waiting.extend(s for s in sequences if not s.done)
            self._changed.notify_all()

    def first(self) -> Sequence | None:
        with self._changed:
            return self._waiting[0] if self._waiting else None

    def discard(self, sequence: Sequence) -> None:
        """Take a sequence out, if it is there."""
        with self._changed:
            if sequence in self._waiting:
                self._waiting.remove(sequence)

    def all(self) -> list[Sequence]:
        with self._changed:
            return list(self._waiting)

    def stop(self) -> None:
        """Wake whoever waits; nothing is accepted any more."""
        with self._changed:
            self.stopped = True
            self._changed.notify_all()

    def wait(self, rest: Callable[[], None], enough: int) -> None:
        """Wait for work, and call `rest` once if none comes for a while. Then let callers that come together share
        their first pass: go on when no request has come for a moment, or `enough` are there."""
        with self._changed:
            resting = False
            while not self._waiting and not self.stopped:
                if not self._changed.wait(None if resting else REST_SECONDS):
                    rest()
                    resting = True
            end = time.monotonic() + MAX_QUIET_SECONDS
            while not self.stopped and time.monotonic() < end:
                n_waiting = len(self._waiting)
                self._changed.wait(QUIET_SECONDS)
                if len(self._waiting) == n_waiting or len(self._waiting) >= enough:
                    return
