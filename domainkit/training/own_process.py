"""Training in a process of its own: its memory and its threads are gone when it ends.

What torch frees stays with the process that used it, in pieces: a comparison that trains first would answer with the
memory of both. The job goes to the child through its standard input, and what it reports comes back the same way.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import IO, BinaryIO

from pydantic import BaseModel

from domainkit import errors
from domainkit.adapters.folder import CARD
from domainkit.corpus.example import Example
from domainkit.errors import DataError, DomainkitError, MachineError, Problem
from domainkit.messages import JsonObject
from domainkit.models.source import resolve_base, weights_bytes
from domainkit.progress import stage
from domainkit.threads import share_heaps
from domainkit.training.config import TrainConfig
from domainkit.training.optimization.progress import Progress, show_progress

log = logging.getLogger("domainkit")
SMALL = 32 * 2**20
"""Bytes of a base's files below which the start of a process takes longer than it is worth."""
OUT_OF_MEMORY = -9
"""The system kills the process that takes its last memory."""


class _Job(BaseModel):
    """One line to the child."""

    examples: tuple[Example, ...]
    teachers: tuple[str, ...]
    """Of each example, which does not say it in JSON."""
    config: TrainConfig
    out: Path
    log_level: int


def train_apart(examples: Sequence[Example], config: TrainConfig, out: Path) -> None:
    """`train(examples, config, out, resume=True)` in another process; here, where that would bring nothing.

    Signals, progress, logs and errors are those of `train`. Raises MachineError where the process ends without a word.
    """
    with _resumed_anyway():
        if not _is_here_better(config, out):
            _train_in_child(examples, config, out)
            return
        from domainkit.training.train import train

        train(examples, config, out, resume=True)


@contextmanager
def _resumed_anyway() -> Iterator[None]:
    """Whoever trains here has no option --resume: the same command goes on by itself."""
    try:
        yield
    except KeyboardInterrupt as e:
        raise KeyboardInterrupt(str(e).removesuffix(" and --resume")) from None


def _train_in_child(examples: Sequence[Example], config: TrainConfig, out: Path) -> None:
    job = _Job(
        examples=tuple(examples),
        teachers=tuple(e.teacher for e in examples),
        config=config,
        out=out.absolute(),
        log_level=log.getEffectiveLevel(),
    )
    with show_progress() as show, stage("starting the training"), _child() as child, _signals_go_to(child):
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            # What was left out stays left out: only what was asked for is spoken of.
            child.stdin.write(job.model_dump_json(exclude_unset=True).encode() + b"\n")
            child.stdin.flush()  # it stays open: its end tells the child that this process is gone
        except BrokenPipeError:
            raise _ended(child.wait()) from None
        _follow(child, child.stdout, show)


def _is_here_better(config: TrainConfig, out: Path) -> bool:
    if sys.platform == "win32" or not sys.executable:  # no signals to a child there
        return True
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # a launcher has started one process for each part already
        return True
    return (out / CARD).is_file() or weights_bytes(resolve_base(config.base, config.revision)) < SMALL


# ---- this process ----------------------------------------------------------------------------------------------------


@contextmanager
def _child() -> Iterator[subprocess.Popen[bytes]]:
    # -P: a file json.py in the folder where the user stands is not the module of that name.
    command = [sys.executable, "-P", "-m", "domainkit.training.own_process"]
    paths = os.pathsep.join(str(Path(p).absolute()) if p else str(Path.cwd()) for p in sys.path)
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # a terminal's Ctrl-C reaches it once, from here
    )
    try:
        yield child
    finally:
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # of a child that has ended
                    pipe.close()
        child.wait()


@contextmanager
def _signals_go_to(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """The child finishes its step and saves it, as a training here would."""
    if threading.current_thread() is not threading.main_thread():  # Python lets only that one set handlers
        yield
        return

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow(child: subprocess.Popen[bytes], reports: IO[bytes], show: Callable[[Progress], None]) -> None:
    """Pass on what the child reports, a JSON object a line, until it is done."""
    for line in reports:
        report = json.loads(line)
        match report.pop("is"):
            case "progress":
                show(Progress(**report))
            case "log":
                record = logging.LogRecord(report["name"], report["level"], "", 0, report["text"], (), None)
                logging.getLogger(record.name).handle(record)
            case "error":
                raise _error(report)
            case _:
                return
    raise _ended(child.wait())


def _error(report: JsonObject) -> BaseException:
    """The error as the child's `train` raised it."""
    name, what = report["type"], report["what"]
    if name == "KeyboardInterrupt":
        return KeyboardInterrupt(what)
    if name == "DataError":
        return DataError([Problem(**problem) for problem in report["problems"]])
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, DomainkitError):
        return kind(what, where=report["where"], next_step=report["next_step"])
    return RuntimeError(f"{name}: {what}")


def _ended(code: int) -> MachineError:
    reason = "the system may have ended it for want of memory" if code == OUT_OF_MEMORY else "its error stands above"
    step = (
        "lower fit.max_tokens_per_pass, or set fit.gradient_checkpointing=true; the same command goes on from the last "
        "checkpoint"
    )
    what = f"the process that trains ended with the code {code}: {reason}"
    return MachineError(what, where="training", next_step=step)


# ---- the child -------------------------------------------------------------------------------------------------------


class _Sent(logging.Handler):
    """Log records go to the parent, whose handlers show them."""

    def __init__(self, send: Callable[..., None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send("log", name=record.name, level=record.levelno, text=record.getMessage())


def _run(jobs: BinaryIO, reports: BinaryIO) -> None:
    job = _Job.model_validate_json(jobs.readline())

    def send(kind: str, **facts: object) -> None:
        reports.write(json.dumps({"is": kind, **facts}).encode() + b"\n")
        reports.flush()

    threading.Thread(target=_stop_with_parent, args=(jobs,), daemon=True).start()
    log.addHandler(_Sent(send))
    log.setLevel(job.log_level)
    log.propagate = False
    try:
        from domainkit.training.train import train

        pairs = zip(job.examples, job.teachers, strict=True)
        examples = [example.model_copy(update={"teacher": teacher}) for example, teacher in pairs]
        train(examples, job.config, job.out, resume=True, on_progress=lambda p: send("progress", **asdict(p)))
    except (DomainkitError, KeyboardInterrupt) as e:
        send("error", **_facts(e))
    except Exception as e:  # a fault: where it happened is of use
        traceback.print_exc()
        send("error", **_facts(e))
    else:
        send("done")


def _facts(error: BaseException) -> JsonObject:
    facts: JsonObject = {"type": type(error).__name__, "what": str(error)}
    if isinstance(error, DomainkitError):
        facts |= {"what": error.what, "where": error.where, "next_step": error.next_step}
    if isinstance(error, DataError):
        facts["problems"] = [asdict(problem) for problem in error.problems]
    return facts


def _stop_with_parent(jobs: BinaryIO) -> None:
    """Save and stop when the parent is gone: nobody waits for the result."""
    # Read past the buffer: a thread that waits inside it holds its lock, and Python ends with a fatal error then.
    while os.read(jobs.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    reports = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no report
    share_heaps()
    _run(sys.stdin.buffer, reports)


if __name__ == "__main__":
    # Under its own name, so that both processes mean the same classes.
    from domainkit.training import own_process

    own_process.main()
