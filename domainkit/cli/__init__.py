"""The command line: one file per command, one line each."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from domainkit.registry import Table

if TYPE_CHECKING:
    import typer

TRACEBACK = "DOMAINKIT_TRACEBACK"
"""Environment variable: set, an error that nothing has translated is raised with its traceback."""

COMMANDS = Table(
    "command",
    {
        "check": "domainkit.cli.check:check",
        "train": "domainkit.cli.train:train",
        "prefer": "domainkit.cli.prefer:prefer",
        "ask": "domainkit.cli.ask:ask",
        "compare": "domainkit.cli.compare:compare",
        "merge": "domainkit.cli.merge:merge",
        "report": "domainkit.cli.report:report",
        "methods": "domainkit.cli.methods:methods",
        "doctor": "domainkit.cli.doctor:doctor",
        "export": "domainkit.cli.export:export",
    },
)


def app() -> typer.Typer:
    """The Typer application, with every command of the table."""
    import typer

    application = typer.Typer(
        name="domainkit",
        help=version.__doc__,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    application.callback()(version)
    for name in COMMANDS:
        application.command(name)(_with_interrupt_message(COMMANDS.load(name)))
    return application


def _with_interrupt_message(command: Callable[..., None]) -> Callable[..., None]:
    """On Ctrl-C, print how to continue; Typer itself would only print "Aborted"."""

    @wraps(command)
    def run(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as e:
            next_step = str(e) or "run the same command again: it continues from what is finished"
            print(f"\nstopped: {next_step}", file=sys.stderr)
            sys.exit(130)

    return run


def version() -> None:
    """Should I prompt, retrieve or fine-tune? Evidence on your own domain, and the winner as a LangChain model."""


def main() -> None:
    """Run the command line; an error becomes one message on stderr and its exit code."""
    from domainkit.errors import DomainkitError
    from domainkit.visible import visible

    # Without it tokenizers prints a warning when a progress bar forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Windows terminal may lack a character: print the rest
    try:
        app()()
    except DomainkitError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except BrokenPipeError:  # a reader such as `head` has closed the pipe: end quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as e:
        if os.environ.get(TRACEBACK):
            raise
        print(f"error: {visible(unexpected(e))}", file=sys.stderr)
        sys.exit(1)


def unexpected(e: Exception) -> str:
    """The message of an error that nothing has translated."""
    if isinstance(e, OSError) and e.strerror:
        return f"{f'{e.filename}: ' if e.filename else ''}{e.strerror}\n  next: check this path, then run it again"
    text = f"{type(e).__name__}: {' '.join(str(e).split())[:500]}"
    return f"unexpected {text}\n  next: set {TRACEBACK}=1 and run it again for the traceback, which a report needs"
