"""Requests that come together leave the queue together; an idle engine rests once; a stopped queue says so."""

from __future__ import annotations

import threading
import time

import pytest

from domainkit.errors import RequestError
from domainkit.inference.engine import request_queue
from domainkit.inference.engine.request_queue import RequestQueue
from domainkit.inference.engine.result_stream import ResultStream
from domainkit.inference.engine.sequences.sequence import ScoreSequence


def work(token: int) -> ScoreSequence:
    return ScoreSequence([5], [token], None, ResultStream())


def test_sequences_leave_in_order_of_arrival() -> None:
    queue, (a, b) = RequestQueue(), (work(1), work(2))
    queue.put([a, ScoreSequence([5], [], None, ResultStream()), b])  # the empty one is done already
    assert (queue.first(), queue.all()) == (a, [a, b])
    queue.discard(a)
    queue.discard(a)
    assert queue.first() is b


def test_requests_that_come_together_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_queue, "QUIET_SECONDS", 0.5)
    queue = RequestQueue()
    callers = [threading.Timer(0.02 * i, queue.put, [[work(i)]]) for i in range(4)]
    for caller in callers:
        caller.start()
    queue.wait(lambda: None, enough=100)
    assert len(queue.all()) == 4
    begin = time.monotonic()
    queue.wait(lambda: None, enough=4)
    assert time.monotonic() - begin < 30, "no others are waited for"


def test_an_idle_engine_rests_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_queue, "REST_SECONDS", 0.01)
    queue, rests = RequestQueue(), []
    threading.Timer(0.1, queue.stop).start()
    queue.wait(lambda: rests.append(1), enough=1)
    assert rests == [1]


def test_a_stopped_queue_accepts_nothing() -> None:
    queue = RequestQueue()
    queue.stop()
    with pytest.raises(RequestError, match="the interpreter is shutting down"):
        queue.put([work(1)])
