"""The engine as asyncio sees it: answers that are awaited, or come piece by piece, and end when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from domainkit.inference.backend import Completion, Piece, Request
from domainkit.inference.local import LocalBackend
from domainkit.serving.wire.answers import Part

T = TypeVar("T")
THREADS = 32
"""Threads that encode prompts and compile grammars; the engine's own thread computes."""
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="domainkit-serving")


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` returns, computed beside the loop."""
    return await asyncio.get_running_loop().run_in_executor(_pool, work)


async def whole_answer(backend: LocalBackend, request: Request, prompt: Sequence[int] | None = None) -> Completion:
    """The answer. Cancelling frees its slot in the engine."""
    return await asyncio.wrap_future(await _submitted(partial(backend.submit, request, prompt=prompt)))


async def whole_answers(
    backend: LocalBackend, requests: Sequence[Request], prompts: Sequence[Sequence[int]] | None = None
) -> list[Completion]:
    """The answers, computed together; the first error ends them all."""
    given: Sequence[Sequence[int] | None] = prompts or [None] * len(requests)
    tasks = [asyncio.create_task(whole_answer(backend, r, p)) for r, p in zip(requests, given, strict=True)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def pieces(backend: LocalBackend, request: Request, prompt: Sequence[int] | None = None) -> AsyncGenerator[Piece]:
    """The answer as it grows, the last piece with its `completion`. Closing or cancelling frees its slot.

    Pieces wait in memory for a slow reader, at most one for each token: the engine never waits for one.
    """
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Piece | BaseException]()

    def deliver(piece: Piece | BaseException) -> None:  # on the model's thread
        with suppress(RuntimeError):  # the loop has ended: nobody reads
            loop.call_soon_threadsafe(queue.put_nowait, piece)

    future = await _submitted(partial(backend.submit, request, prompt=prompt, deliver=deliver))
    try:
        while True:
            piece = await queue.get()
            if isinstance(piece, BaseException):
                raise piece
            yield piece
            if piece.completion is not None:
                return
    finally:
        future.cancel()


async def _submitted(submit: Callable[[], Future[Completion]]) -> Future[Completion]:
    """The submitted request. Cancelled meanwhile, it is cancelled at the engine as soon as it is there."""
    submitting = asyncio.ensure_future(in_thread(submit))
    try:
        return await asyncio.shield(submitting)
    except asyncio.CancelledError:
        submitting.add_done_callback(_cancel_result)
        raise


def _cancel_result(submitting: asyncio.Future[Future[Completion]]) -> None:
    if not submitting.cancelled() and submitting.exception() is None:
        submitting.result().cancel()


async def merged(streams: Sequence[AsyncGenerator[Piece]]) -> AsyncGenerator[Part]:
    """Several answers side by side, as their pieces come."""
    queue = asyncio.Queue[Part | BaseException]()

    async def read(index: int, stream: AsyncGenerator[Piece]) -> None:
        try:
            async for piece in stream:
                queue.put_nowait(Part(index, piece))
        except Exception as e:
            queue.put_nowait(e)

    tasks = [asyncio.create_task(read(i, stream)) for i, stream in enumerate(streams)]
    try:
        left = len(tasks)
        while left:
            part = await queue.get()
            if isinstance(part, BaseException):
                raise part
            yield part
            left -= part.piece.completion is not None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
