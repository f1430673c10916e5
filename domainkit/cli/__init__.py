"""The command line: one file per command, one line each."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import TYPE_CHECKING

from domainkit.registry import Table

if TYPE_CHECKING:
    import typer

TRACEBACK = "DOMAINKIT_TRACEBACK"
"""Environment variable: set, an error that nothing has translated is raised with its traceback."""

COMMANDS = Table(
    "command",
    {
        "check": "domainkit.cli.data.check:check",
        "ingest": "domainkit.cli.data.ingest:ingest",
        "split": "domainkit.cli.data.split:split",
        "make": "domainkit.cli.data.make:make",
        "train": "domainkit.cli.adapters.train:train",
        "distil": "domainkit.cli.adapters.distil:distil",
        "prefer": "domainkit.cli.adapters.prefer:prefer",
        "ask": "domainkit.cli.ask:ask",
        "serve": "domainkit.cli.serve:serve",
        "compare": "domainkit.cli.compare:compare",
        "leave": "domainkit.cli.leave:leave",
        "pack": "domainkit.cli.pack:pack",
        "merge": "domainkit.cli.adapters.merge:merge",
        "report": "domainkit.cli.report:report",
        "review": "domainkit.cli.review:review",
        "gate": "domainkit.cli.gate:gate",
        "watch": "domainkit.cli.watch:watch",
        "methods": "domainkit.cli.adapters.methods:methods",
        "doctor": "domainkit.cli.doctor:doctor",
        "init": "domainkit.cli.project.init:init",
        "run": "domainkit.cli.project.run:run",
        "export": "domainkit.cli.adapters.export:export",
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
        refuse_empty_values(sys.argv[1:])
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
        message, code = untranslated(e)
        print(f"error: {visible(message)}", file=sys.stderr)
        sys.exit(code)


def refuse_empty_values(words: Sequence[str]) -> None:
    """An empty value is most often a variable of the shell that is not set; as a path it would mean this folder."""
    from domainkit.errors import ConfigError

    for before, word in pairwise(("", *words)):
        option, mark, value = word.partition("=")
        if (not word and before != "--system") or (mark and not value and option.startswith("--")):
            where = option or (before if before.startswith("--") else None)
            raise ConfigError("an argument is empty", where=where, next_step="give it a value, or leave it out")


def untranslated(e: Exception) -> tuple[str, int]:
    """(message, exit code) of an error that nothing has translated."""
    from pydantic import ValidationError

    if isinstance(e, ValidationError):
        problems = "; ".join(f"{'.'.join(map(str, x['loc']))}={x['input']!r}: {x['msg'].lower()}" for x in e.errors())
        return f"{problems}\n  next: correct this value", 2
    if isinstance(e, OSError) and e.strerror:
        return f"{f'{e.filename}: ' if e.filename else ''}{e.strerror.lower()}\n  next: check this path", 1
    text = f"{type(e).__name__}: {' '.join(str(e).split())[:500]}"
    return f"unexpected {text}\n  next: set {TRACEBACK}=1 and run it again for the traceback, which a report needs", 1
