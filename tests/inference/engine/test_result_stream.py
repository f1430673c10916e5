"""A result stream gives each caller one result, error or cancellation, and the pieces in order before it."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from domainkit.inference.backend import Completion, Piece
from domainkit.inference.engine.result_stream import ResultStream

DONE = Completion("hello", "stop", 3, 2)


def test_pieces_come_in_order_and_the_last_has_the_completion() -> None:
    stream = ResultStream[Completion](stream=True)
    for text in ("he", "", "l"):
        stream.send(text)
    stream.finish(DONE, "lo")
    assert [stream.receive() for _ in range(3)] == [Piece("he"), Piece("l"), Piece("lo", DONE)]
    assert stream.future.result() is DONE


def test_without_streaming_there_is_only_the_result() -> None:
    stream = ResultStream[float]()
    stream.send("text")
    stream.finish(1.5)
    assert stream.future.result() == 1.5
    assert not stream._pieces


def test_an_error_is_raised_for_both_readers_and_the_first_one_counts() -> None:
    stream = ResultStream[Completion](stream=True)
    stream.fail(ValueError("first"))
    stream.fail(ValueError("second"))
    with pytest.raises(ValueError, match="first"):
        stream.receive()
    with pytest.raises(ValueError, match="first"):
        stream.future.result()


def test_a_cancellation_wakes_the_reader_and_later_results_are_dropped() -> None:
    stream = ResultStream[Completion](stream=True)
    received: list[Piece | None] = []
    reader = threading.Thread(target=lambda: received.append(stream.receive()))
    reader.start()
    stream.cancel()
    reader.join(timeout=10)
    assert received == [None]
    assert stream.cancelled
    stream.finish(DONE)
    stream.fail(ValueError("too late"))
    with pytest.raises(CancelledError):
        stream.future.result()
