"""The command line: one file per command, one line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from domainkit.registry import Table

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


def app() -> Any:
    """The Typer application, with every command of the table."""
    import typer

    made = typer.Typer(
        name="domainkit",
        help="Should I prompt, retrieve or fine-tune? Evidence on your own domain, and the winner as a LangChain model.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(version)
    for name in COMMANDS:
        made.command(name)(_stoppable(COMMANDS.load(name)))
    return made


def _stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Ctrl-C prints where the command stopped and how to go on; Typer itself would only say "Aborted"."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as e:
            said = str(e) or "run the same command again: what was finished is kept"
            print(f"\nstopped: {said}", file=sys.stderr)
            sys.exit(130)

    return run


def version() -> None:
    """Should I prompt, retrieve or fine-tune? Evidence on your own domain, and the winner as a LangChain model."""


def main() -> None:
    """Run the command line; a DomainkitError becomes one message on stderr and its exit code."""
    from domainkit.errors import DomainkitError

    # A command that a reader like `head` closes early ends quietly; a progress bar's forks need no tokenizer warning.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()()
    except DomainkitError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
