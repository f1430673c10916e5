"""What a reader says while it reads a file: warnings, and that it is still at work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from domainkit.errors import Problem

log = logging.getLogger("domainkit")
_collected: ContextVar[list[Problem] | None] = ContextVar("collected", default=None)
_on_step: ContextVar[Callable[[], None] | None] = ContextVar("on_step", default=None)


def warn(path: Path | str, what: str, next_step: str, line: int | None = None) -> None:
    """Warn about the file that is being read; outside `collecting_warnings` the warning goes to the log."""
    report(Problem(str(path), line, what, next_step, severity="warning"))


def report(problem: Problem) -> None:
    """`warn`, of a problem that is made already."""
    collected = _collected.get()
    if collected is None:
        log.warning("%s", problem)
    else:
        collected.append(problem)


def step_done() -> None:
    """A step that may take as long as a whole file is done, such as a scanned page."""
    if on_step := _on_step.get():
        on_step()


@contextmanager
def collecting_warnings(on_step: Callable[[], None] | None = None) -> Iterator[list[Problem]]:
    """Yields the list to which `warn` adds inside the block; `on_step` is called at each `step_done`."""
    problems: list[Problem] = []
    collected, called = _collected.set(problems), _on_step.set(on_step)
    try:
        yield problems
    finally:
        _collected.reset(collected)
        _on_step.reset(called)
