"""Progress of training: what a step reports, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from domainkit import progress as display


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

    def show(self) -> None:
        """Show the step on the open display."""
        note = f"loss {self.loss:.3f} · {self.tokens_per_second:,.0f} tok/s"
        display.report("training", self.step, self.steps, note=note, left=self.seconds_left)


@contextmanager
def show_progress() -> Iterator[Callable[[Progress], None]]:
    """Yields a callback that shows progress on standard error."""
    with display.shown():
        yield Progress.show
