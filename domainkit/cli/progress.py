"""Progress of a comparison: a bar per variant in a terminal, a line per variant elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def comparing() -> Iterator[Callable[[str, int, int], None]]:
    """Yields a callback (name, done, total) for `compare(on_progress=…)`."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("{task.description:16}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield show


def _lines(console: Console) -> Callable[[str, int, int], None]:
    finished: set[str] = set()

    def show(name: str, done: int, total: int) -> None:
        if done >= total and name not in finished:
            finished.add(name)
            console.print(f"{name}: {done}/{total}", markup=False, highlight=False)

    return show
