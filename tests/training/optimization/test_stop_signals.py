"""A signal asks a run to stop; it saves first."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from domainkit.training.optimization.checkpoints import last_checkpoint
from domainkit.training.optimization.progress import Progress
from domainkit.training.optimization.stop_signals import StopRequest, raise_if_stopped, stop_on_signals
from tests.training.small_runs import losses, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_restores_the_handlers(
    tiny_base: str, tmp_path: Path, number: signal.Signals
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 3 of 12; step 3 is saved"):
        run(tiny_base, tmp_path / "a", on_progress=interrupt)
    assert last_checkpoint(tmp_path / "a.partial") is not None
    assert signal.getsignal(number) == handler
    assert losses(run(tiny_base, tmp_path / "a", resume=True)) == losses(run(tiny_base, tmp_path / "b"))


def test_the_same_signal_again_stops_at_once_and_another_one_does_not() -> None:
    stop = StopRequest()
    stop.on_signal(signal.SIGINT, None)
    stop.on_signal(signal.SIGTERM, None)
    assert stop.requested
    with pytest.raises(KeyboardInterrupt):
        stop.on_signal(signal.SIGINT, None)


def test_a_stop_before_the_first_checkpoint_says_that_nothing_is_saved(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="nothing is saved yet"), stop_on_signals(StopRequest(), tmp_path):
        raise KeyboardInterrupt


def test_a_stop_after_the_last_step_is_the_end() -> None:
    raise_if_stopped(StopRequest(requested=True), 3, 3)
    with pytest.raises(KeyboardInterrupt):
        raise_if_stopped(StopRequest(requested=True), 2, 3)
