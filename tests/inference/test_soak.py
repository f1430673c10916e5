"""A short soak: many threads, adapters, streams, cancellations and failing requests; and machines short of memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import torch

from benchmarks.engine.soak import soak
from benchmarks.engine.soak_jobs import FAILS, KINDS, Job, answer_alone, make_jobs, stable_fields
from domainkit.errors import MachineError, RequestError
from domainkit.inference.local import LocalBackend
from tests.inference.tiny_adapters import ask


@pytest.fixture
def engine(tiny_base: str) -> Iterator[LocalBackend]:
    """An engine for one test, which may change it."""
    backend = LocalBackend(tiny_base, None, "none", "cpu")
    backend.complete([ask("warm", max_tokens=1)])
    yield backend
    backend.close()


def test_a_soak_finds_no_error(engine: LocalBackend, adapters: dict[str, str]) -> None:
    jobs = make_jobs(40, [adapters["red"], adapters["blue"], adapters["dora"]], seed=3, longest=12)
    assert {job.kind for job in jobs} >= {"stream closed", "cancelled", "schema", "choices", "plain"}
    answer_alone(engine, jobs)
    report = soak(engine, jobs, threads=16, rounds=2, patience=120)
    assert not report.faults
    assert not report.hung
    assert sum(report.done.values()) == 80
    assert engine.engine().prefixes.bytes <= engine.engine().prefixes.max_bytes


def test_a_soak_reports_a_wrong_answer(engine: LocalBackend) -> None:
    jobs = [job for job in make_jobs(12, [], seed=1, longest=6) if job.kind in ("plain", "stop")]
    answer_alone(engine, jobs)
    wrong = jobs[0].alone
    jobs[0].alone = type(wrong)("something else", "stop", wrong.prompt_tokens, wrong.completion_tokens)
    report = soak(engine, jobs, threads=4, rounds=1, patience=60)
    assert len(report.faults) == 1
    assert "instead of ('something else', 'stop')" in report.faults[0]
    assert not report.good


def test_a_soak_asks_every_kind_of_request() -> None:
    assert set(FAILS) < set(KINDS)
    assert {job.kind for job in make_jobs(400, [], seed=0)} == set(KINDS)
    assert all(isinstance(job, Job) for job in make_jobs(3, [], seed=0))


# ---- short of memory

LONG = "the same long beginning of every question, " * 6


def starve(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, tokens: int, rows: int = 10**6) -> list[int]:
    """Passes of more than `tokens`, padding included, or with more than `rows` slots fail; the sizes that passed."""
    runner, passed = backend.engine().runner, []
    forward = runner.forward

    def cramped(chunks: Any) -> Any:
        size = len(chunks) * max(len(c.tokens) for c in chunks)
        if size > tokens or len(runner._slots) > rows:
            raise torch.OutOfMemoryError("no room")
        passed.append(size)
        return forward(chunks)

    monkeypatch.setattr(runner, "forward", cramped)
    return passed


@pytest.mark.parametrize(("tokens", "rows"), [(100, 99), (4000, 3), (100, 2), (100, 1)])
def test_short_of_memory_all_answers_stay_the_same(
    engine: LocalBackend, monkeypatch: pytest.MonkeyPatch, tokens: int, rows: int
) -> None:
    requests = [ask(LONG + str(i), max_tokens=4 + i) for i in range(5)] + [ask("short"), ask("s", choices=("a", "bc"))]
    wanted = [stable_fields(c) for c in engine.complete(requests)]
    engine.engine().prefixes.clear()
    passed = starve(engine, monkeypatch, tokens, rows)
    assert [stable_fields(c) for c in engine.complete(requests)] == wanted
    assert max(passed) <= tokens


@pytest.mark.parametrize("broken", ["free", "allocate", "copy_state", "forward"])
def test_an_error_of_the_engine_leaves_no_caller_waiting(
    engine: LocalBackend, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    runner = engine.engine().runner
    requests = [ask(LONG + str(i), max_tokens=3 + i) for i in range(5)]
    wanted = [stable_fields(c) for c in engine.complete(requests)]
    engine.engine().prefixes.clear()
    whole, calls = getattr(runner, broken), []

    def breaks_once(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise ZeroDivisionError("an error of the engine")
        return whole(*given)

    monkeypatch.setattr(runner, broken, breaks_once)
    outlets = [engine.submit(r) for r in requests]
    for future in outlets:
        future.exception(timeout=60)
    assert len(calls) >= 2
    assert [stable_fields(c) for c in engine.complete(requests)] == wanted


def test_the_full_limits_are_tried_again_after_a_rest(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        starve(engine, m, 100, 2)
        engine.complete([ask(LONG), ask("x"), ask("y")])
    before = engine.engine().executor.n_passes
    engine.complete([ask(f"n{i}", max_tokens=4) for i in range(12)])
    assert engine.engine().executor.n_passes - before < 12


def test_memory_is_freed_once_per_rest(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr("domainkit.inference.engine.scheduler.return_freed_memory", lambda: given.append(1))
    monkeypatch.setattr("domainkit.inference.engine.request_queue.REST_SECONDS", 0.05)
    for times in (1, 2):
        engine.complete([ask("x", max_tokens=2)])
        end = time.monotonic() + 20
        while len(given) < times and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.2)
        assert len(given) == times
        assert not engine.engine().runner.cache.keys, "the room for states is given back too"


def test_too_little_memory_is_an_error_of_that_request(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as m:
        starve(engine, m, 20)
        with pytest.raises(MachineError, match="not enough memory for a request of"):
            engine.complete([ask(LONG)])
    assert engine.complete([ask("x")])[0].completion_tokens


def test_prefix_sharing_is_left_out_without_the_memory(engine: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [ask(LONG + str(i)) for i in range(4)]
    wanted = [stable_fields(c) for c in engine.complete(requests)]
    engine.engine().prefixes.clear()

    def no_room(*args: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(engine.engine().runner, "copy_state", no_room)
    assert [stable_fields(c) for c in engine.complete(requests)] == wanted


# ---- threads that must not wait for themselves


@pytest.mark.parametrize("way", ["complete", "stream", "score"])
def test_the_models_thread_refuses_to_wait_for_itself(engine: LocalBackend, way: str) -> None:
    said: Future[Any] = Future()
    calls = {
        "complete": lambda: engine.complete([ask("inner")]),
        "stream": lambda: list(engine.stream(ask("inner"))),
        "score": lambda: engine.score(ask("inner").messages, ["a"]),
    }

    def then(_: Future[Any]) -> None:
        try:
            said.set_result(calls[way]())
        except RequestError as e:
            said.set_result(str(e))

    engine.submit(ask("outer", regex="[a-z]{80}", max_tokens=80)).add_done_callback(then)
    assert "call submit there, or make the call from another thread" in said.result(timeout=30)


def test_a_done_callback_may_submit(engine: LocalBackend) -> None:
    said: Future[str] = Future()

    def then(_: Future[Any]) -> None:
        engine.submit(ask("inner", max_tokens=3)).add_done_callback(lambda f: said.set_result(f.result().text))

    engine.submit(ask("outer", max_tokens=40)).add_done_callback(then)
    assert said.result(timeout=30) == engine.complete([ask("inner", max_tokens=3)])[0].text


def test_a_closed_engine_refuses_work_and_the_backend_starts_another(engine: LocalBackend) -> None:
    old = engine.engine()
    engine.close()
    with pytest.raises(RequestError, match="shutting down"):
        old.submit([])
    assert engine.complete([ask("x", max_tokens=2)])[0].completion_tokens
    assert engine.engine() is not old


async def test_many_async_callers_share_passes(engine: LocalBackend) -> None:
    before = engine.engine().executor.n_passes
    futures = [asyncio.wrap_future(engine.submit(ask(f"n{i}", max_tokens=6))) for i in range(20)]
    assert len(await asyncio.gather(*futures)) == 20
    assert engine.engine().executor.n_passes - before < 40
