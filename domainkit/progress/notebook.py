"""Progress in a notebook: one text in the output of the cell."""

from __future__ import annotations

import threading
import time

from domainkit.progress.display import Part

WRITE_EVERY = 0.5
"""Seconds between two states of the text."""


class Notebook:
    """One text in the cell's output, written anew when something has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, Part] = {}
        self._lines: dict[str, str] = {}
        self._said = 0
        self._shown = 0.0
        self._output: str | None = None

    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        with self._lock:
            part = self._parts.setdefault(name, Part(done))
            self._lines[name] = part.line(name, done, total, note, left)
            if done >= total:
                del self._parts[name]
            self._show(now=done >= total)

    def begin(self, name: str) -> None:
        with self._lock:
            self._lines[name] = f"{name} …"
            self._show()

    def end(self, name: str) -> None:
        with self._lock:
            self._lines.pop(name, None)
            self._show()

    def say(self, text: str) -> None:
        with self._lock:
            self._said += 1
            self._lines[f"\0{self._said}"] = text
            self._show(now=True)

    def settle(self) -> None:
        with self._lock:
            self._show(now=True)

    def _show(self, *, now: bool = False) -> None:
        if not self._lines or (not now and time.monotonic() - self._shown < WRITE_EVERY):
            return
        from IPython import display

        self._shown = time.monotonic()
        text = {"text/plain": "\n".join(self._lines.values())}
        if self._output is None:
            self._output = display.display(text, raw=True, display_id=True).display_id
        else:
            display.update_display(text, raw=True, display_id=self._output)
