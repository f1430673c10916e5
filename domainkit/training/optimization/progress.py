"""Progress of training: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY = 10.0
"""Seconds between lines where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Step `step` of `steps` is done. Loss in nats per supervised token; rates count example tokens, no padding."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    tokens_per_second: float
    seconds_left: float

    def metrics(self) -> dict[str, float]:
        """What loggers record of the step."""
        return {
            "loss": self.loss,
            "learning_rate": self.learning_rate,
            "tokens_per_second": self.tokens_per_second,
        }

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return (
            f"step {self.step}/{self.steps} · loss {self.loss:.3f} · {self.tokens_per_second:,.0f} tokens/s"
            f" · {minutes}:{seconds:02d} left"
        )


@contextmanager
def show_progress() -> Iterator[Callable[[Progress], None]]:
    """Yields a callback that shows progress on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    with Bars(
        TextColumn("training"), BarColumn(), TextColumn("{task.description}", markup=False), console=console
    ) as bars:
        task = bars.add_task("", total=None)
        yield lambda p: bars.update(task, completed=p.step, total=p.steps, description=str(p))


def _lines(console: Console) -> Callable[[Progress], None]:
    last = -LINE_EVERY

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY or progress.step >= progress.steps:
            last = now
            console.print(str(progress), markup=False, highlight=False, soft_wrap=True)

    return show
