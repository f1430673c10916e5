"""Progress in a terminal: a bar for each part that runs."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from domainkit.progress.display import SILENT, clock

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, Task

NAME_WIDTH = 22
"""Columns of a part's name; longer names are cut."""
BESIDE_THE_BAR = 68
"""Columns of name, count, time and note."""


class Bars:
    """A bar for each part that runs; what has ended stands above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.RLock()
        self._bars: Progress | None = None
        self._finished: dict[str, int] = {}

    def report(self, name: str, done: int, total: int, note: str, left: float | None) -> None:
        with self._lock:
            if done >= total and self._finished.get(name) == total:
                return  # told already
            self._finished.pop(name, None)
            bars = self._open()
            task = self._of(name, total)
            bars.update(task.id, completed=done, total=total, note=note, left=left)
            if done >= total:
                self._finished[name] = total
                self._keep(task)

    def begin(self, name: str) -> None:
        with self._lock:
            self._open().add_task(name, total=None, note="", left=None)

    def end(self, name: str) -> None:
        with self._lock:
            for task in [t for t in self._tasks() if t.total is None and t.description == name][-1:]:
                self._open().remove_task(task.id)

    def say(self, text: str) -> None:
        with self._lock:
            self._console.print(text, markup=False, highlight=False)

    def settle(self) -> None:
        with self._lock:
            if self._bars is None:
                return
            for task in self._tasks():
                if task.total is not None:
                    self._keep(task)  # what was not finished
            self._bars.stop()
            self._bars = None

    def _tasks(self) -> list[Task]:
        return [] if self._bars is None else list(self._bars.tasks)

    def _of(self, name: str, total: int) -> Task:
        bars = self._open()
        for task in self._tasks():
            if task.total is not None and task.description == name:
                return task
        made = bars.add_task(name, total=total, note="", left=None)
        return next(t for t in self._tasks() if t.id == made)

    def _keep(self, task: Task) -> None:
        """Its last state stands above the bars."""
        bars = self._open()
        self._console.print(bars.make_tasks_table([task]))
        bars.remove_task(task.id)

    def _open(self) -> Progress:
        if self._bars is None:
            self._bars = _rich_bars(self._console)
            self._bars.start()
        return self._bars


def _rich_bars(console: Console) -> Progress:
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f}")

    class Clock(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.fields["left"] if task.fields["left"] is not None else task.time_remaining
            if task.finished or left is None:
                return Text(clock(task.finished_time or task.elapsed or 0.0))
            return Text(f"{clock(left)} left")

    class Running(RichProgress):
        def get_renderables(self) -> Iterable[RenderableType]:
            lasting = [t for t in self.tasks if t.total is not None or (t.elapsed or 0.0) > SILENT / 2]
            yield self.make_tasks_table(lasting)

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(width=NAME_WIDTH, no_wrap=True)),
        BarColumn(bar_width=max(8, min(40, console.width - BESIDE_THE_BAR))),
        Count(table_column=Column(min_width=9, justify="right", no_wrap=True)),
        Clock(table_column=Column(min_width=10, justify="right", no_wrap=True)),
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
    )
    return Running(*columns, console=console, transient=True, redirect_stdout=False, refresh_per_second=4)
