"""Outlet: where a row's result goes, for the thread that asked."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

from domainkit.inference.backend import Piece


class Outlet:
    """Where a row's result goes: a Future, and for streams the pieces on their way."""

    def __init__(self, *, stream: bool = False) -> None:
        self.future: Future[Any] = Future()
        self.streams = stream
        self._pieces: deque[Piece | BaseException] = deque()
        self._news = threading.Condition()

    @property
    def cancelled(self) -> bool:
        return self.future.cancelled()

    def send(self, text: str) -> None:
        if self.streams and text:
            self._put(Piece(text))

    def finish(self, result: Any, rest: str = "") -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(result)
            if self.streams:
                self._put(Piece(rest, result))

    def fail(self, error: BaseException) -> None:
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
            if self.streams:
                self._put(error)

    def cancel(self) -> None:
        self.future.cancel()
        with self._news:
            self._news.notify_all()

    def receive(self) -> Piece | None:
        """The next piece, waiting for it; None after a cancellation. Raises the row's error."""
        with self._news:
            while not self._pieces:
                if self.cancelled:
                    return None
                self._news.wait()
            piece = self._pieces.popleft()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def _put(self, piece: Piece | BaseException) -> None:
        with self._news:
            self._pieces.append(piece)
            self._news.notify_all()


__all__ = ["Outlet"]
