"""Ctrl-C and SIGTERM ask a run to stop: the step under way is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from domainkit.training.optimization.checkpoints import last_checkpoint

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class StopRequest:
    """Whether the run must stop. The loop reads it after every step."""

    requested: bool = False
    received: set[int] = field(default_factory=set)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        # A launcher may pass on Ctrl-C as SIGTERM too. Only the same signal once more means "at once".
        if number in self.received:
            raise KeyboardInterrupt
        self.received.add(number)
        self.requested = True


@contextmanager
def stop_on_signals(stop: StopRequest, work: Path) -> Iterator[None]:
    """Signals set `stop`; a second one of the same kind stops at once.

    A KeyboardInterrupt that leaves this context says which checkpoint in `work` the run continues from.
    """
    # Python lets only the main thread set signal handlers.
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS} if main else {}
    try:
        yield
    except KeyboardInterrupt as e:
        saved = last_checkpoint(work)
        text = f"; step {saved.name.removeprefix('checkpoint-')} is saved" if saved else "; nothing is saved yet"
        raise KeyboardInterrupt(f"{e or 'stopped'}{text}. Continue with the same command and --resume") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def raise_if_stopped(stop: StopRequest, step: int, steps: int) -> None:
    """Raise KeyboardInterrupt for a run that was stopped before its end."""
    if stop.requested and step < steps:
        raise KeyboardInterrupt(f"stopped after step {step} of {steps}")
