"""Result stream: how a result reaches the thread that asked for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar, cast

from domainkit.inference.backend import Completion, Piece, TokenLogprob

Result = TypeVar("Result", Completion, float, list[float])
Deliver = Callable[[Piece | BaseException], None]


class ResultStream(Generic[Result]):
    """A Future, and with `stream` the pieces of the text before it. The model's thread writes, the caller reads.

    With `deliver` each piece, or the error that ends the stream, is given to that function, on the model's thread.
    """

    def __init__(self, *, stream: bool = False, deliver: Deliver | None = None) -> None:
        self.future: Future[Result] = Future()
        self.streams = stream or deliver is not None
        self._deliver = deliver
        self.before: Completion | None = None
        """The reasoning before the answer, where a sequence of its own wrote it."""
        self._pieces: deque[Piece | BaseException] = deque()
        self._changed = threading.Condition()

    @property
    def cancelled(self) -> bool:
        return self.future.cancelled()

    # ---- the model's thread ----

    def send(self, text: str, reasoning: str = "", logprobs: tuple[TokenLogprob, ...] = ()) -> None:
        if self.streams and (text or reasoning):
            self._put(Piece(text, reasoning=reasoning, logprobs=logprobs))

    def finish(
        self, result: Result, rest: str = "", reasoning: str = "", logprobs: tuple[TokenLogprob, ...] = ()
    ) -> None:
        """Set the result; `rest`, `reasoning` and `logprobs` are what was not sent yet."""
        if self.before is not None and isinstance(result, Completion):
            result = cast(Result, result.after(self.before))
        # False after a cancellation, and no later cancellation gets in between.
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(result)
            if self.streams:
                assert isinstance(result, Completion)
                self._put(Piece(rest, result, reasoning, logprobs))

    def fail(self, error: BaseException) -> None:
        if not self.future.done() and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)
            if self.streams:
                self._put(error)

    def _put(self, piece: Piece | BaseException) -> None:
        if self._deliver is not None:
            self._deliver(piece)
            return
        with self._changed:
            self._pieces.append(piece)
            self._changed.notify_all()

    # ---- the caller ----

    def cancel(self) -> None:
        """End the wait; the scheduler drops the sequence at its next step."""
        self.future.cancel()
        with self._changed:
            self._changed.notify_all()

    def receive(self) -> Piece | None:
        """Wait for the next piece; None after a cancellation. Raises the error that ended the stream."""
        with self._changed:
            while not self._pieces:
                if self.cancelled:
                    return None
                self._changed.wait()
            piece = self._pieces.popleft()
        if isinstance(piece, BaseException):
            raise piece
        return piece
