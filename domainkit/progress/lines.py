"""Progress without a terminal: a line for each part."""

from __future__ import annotations

import sys
import threading
import time

from domainkit.progress.display import SILENT, Part

LINE_EVERY = 10.0
"""Seconds between lines of one part."""


class Lines:
    """A line when a part is done, and now and then before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._finished: dict[str, int] = {}
        self._timers: list[tuple[str, threading.Timer]] = []

    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        with self._lock:
            if done >= total and self._finished.get(name) == total:
                return  # told already
            part = self._parts.setdefault(name, Part(done))
            ended = done >= total
            if ended or time.monotonic() - part.told >= LINE_EVERY:
                part.told = time.monotonic()
                self.say(part.line(name, done, total, note, left))
            self._finished.pop(name, None)
            if ended:
                self._finished[name] = total
                del self._parts[name]

    def begin(self, name: str) -> None:
        timer = threading.Timer(SILENT, self.say, (f"{name} …",))
        timer.daemon = True
        self._timers.append((name, timer))
        timer.start()

    def end(self, name: str) -> None:
        for pair in [p for p in self._timers if p[0] == name][-1:]:
            pair[1].cancel()
            self._timers.remove(pair)

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def settle(self) -> None:
        for _, timer in self._timers:
            timer.cancel()
        self._timers.clear()
