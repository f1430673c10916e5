"""What a command prints: results on standard output and all else on standard error, or one JSON object.

Commands print with `typer.echo` or a console, give their figures to `record()`, and end with `next_command()`.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from domainkit import progress
from domainkit.cli.terminal.failures import described, exit_code
from domainkit.errors import ConfigError
from domainkit.visible import visible

if TYPE_CHECKING:
    from typing import TextIO


@dataclass
class Output:
    """Of one command that runs."""

    command: str
    quiet: bool = False
    as_json: bool = False
    result: dict[str, object] = field(default_factory=dict)
    next: list[str] = field(default_factory=list)


LASTING = ("ask", "review", "serve")
"""Commands that run until they are stopped: what happens again there is said again."""
_running: list[Output] = []
"""The command that runs, last."""


@contextmanager
def output(command: str, *, quiet: bool, as_json: bool) -> Iterator[None]:
    """Show progress and notes as the options ask; with `as_json` print the one object when the command ends."""
    one, stdout = Output(command, quiet, as_json), sys.stdout
    _running.append(one)
    error: BaseException | None = None
    try:
        with _streams(one):
            yield
    except BaseException as e:
        error = e
        raise
    finally:
        _running.pop()
        if as_json and not isinstance(error, BrokenPipeError):
            print(_json(one, error), file=stdout, flush=True)


@contextmanager
def _streams(one: Output) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(progress.hidden() if one.quiet else progress.shown())
        stack.enter_context(_notes(quiet=one.quiet, once=one.command not in LASTING))
        stdout: TextIO = sys.stdout
        if one.as_json:
            stdout = stack.enter_context(open(os.devnull, "w", encoding="utf-8")) if one.quiet else sys.stderr
        stack.enter_context(redirect_stdout(cast("TextIO", _AfterProgress(stdout))))
        if sys.stderr.isatty():  # what is seen while libraries load
            stack.enter_context(progress.stage(f"domainkit {one.command}"))
        yield


class _AfterProgress:
    """A stream before whose text the bars end: results follow them, and are not drawn over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        progress.settle()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # whatever else a text stream has
        return getattr(self._stream, name)


class _Notes(logging.Handler):
    """Log records as lines of ours, above the bars. With `once`, a note or warning that comes again, as of a file read
    twice, is left out; an error never is."""

    def __init__(self, *, once: bool) -> None:
        super().__init__()
        self._once = once
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning" if record.levelno >= logging.WARNING else "note"
        text = visible(record.getMessage())
        if self._once and record.levelno < logging.ERROR:
            if f"{mark}: {text}" in self._said:
                return
            self._said.add(f"{mark}: {text}")
        if record.levelno >= logging.ERROR:
            progress.settle()
            print(f"error: {text}", file=sys.stderr)  # --quiet hides no error
        else:
            progress.say(f"{mark}: {text}")


@contextmanager
def _notes(*, quiet: bool, once: bool) -> Iterator[None]:
    log, handler = logging.getLogger("domainkit"), _Notes(once=once)
    level = log.level
    log.addHandler(handler)
    if quiet:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def record(**facts: object) -> None:
    """Figures of the command's result, for --json. Values may be dataclasses, pydantic models and paths."""
    if _running:
        _running[-1].result |= facts


def next_command(*words: object, lead: str = "Next: ") -> None:
    """The command that is of use now, each of its words quoted for a shell.

    With --json it stands in the object; with --quiet it is left out. `lead` is what stands before it.
    """
    tell_next(f"domainkit {shlex.join(map(str, words))}", lead=lead)


def tell_next(command: str, *, lead: str = "Next: ") -> None:
    """As `next_command`, of a line that is quoted already, or has words in capitals to be filled in."""
    one = _running[-1] if _running else Output("")
    one.next.append(command)
    hint(f"{lead}{command}")


def hint(text: str) -> None:
    """A line on what to do now; left out with --quiet and --json."""
    if not (_running and (_running[-1].quiet or _running[-1].as_json)):
        print(visible(text))


def is_quiet() -> bool:
    """Whether --quiet is given."""
    return bool(_running) and _running[-1].quiet


def refuse_json(why: str) -> None:
    """For a command that has no result to write. Raises ConfigError where --json is given."""
    if _running and _running[-1].as_json:
        raise ConfigError(why, where="--json", next_step="leave --json out")


def _json(one: Output, error: BaseException | None) -> str:
    from pydantic_core import to_jsonable_python

    facts: dict[str, object] = {"command": one.command, "exit_code": exit_code(error) if error else 0}
    problem = described(error) if error else None
    facts |= {"result": one.result, "next": one.next} if problem is None else {"error": problem}
    plain = to_jsonable_python(facts, fallback=str, inf_nan_mode="null")
    return json.dumps(plain, indent=2, allow_nan=False)
