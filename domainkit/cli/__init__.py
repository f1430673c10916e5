"""The command line: one file per command, one line each."""

from __future__ import annotations

import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, get_type_hints

from domainkit.registry import Table

if TYPE_CHECKING:
    import typer

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


def app(only: str | None = None) -> typer.Typer:
    """The Typer application with every command of the table, or with one: the others need not be imported to run it."""
    import typer

    from domainkit.cli.terminal.help import Command, Group
    from domainkit.cli.terminal.words import GROUPS

    application = typer.Typer(
        name="domainkit",
        help=version.__doc__,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        cls=Group,
    )
    application.callback()(version)
    groups = {name: group for group, names in GROUPS.items() for name in names}
    for name in COMMANDS if only is None else (only,):
        command = _with_output_options(name, COMMANDS.load(name))
        application.command(name, cls=Command, rich_help_panel=groups.get(name))(command)
    return application


def _with_output_options(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """`command` with --quiet and --json, which mean the same for all; on Ctrl-C it says how to continue."""
    import typer

    from domainkit.cli.terminal.failures import CONTINUE, STOPPED
    from domainkit.cli.terminal.output import output

    @wraps(command)
    def run(*arguments: object, quiet: bool, as_json: bool, **options: object) -> None:
        for value in options.values():
            params = getattr(value, "params", None)
            if isinstance(params, dict):  # of a context, in which commands read their own options
                params.pop("quiet")
                params.pop("as_json")
        try:
            with output(name, quiet=quiet, as_json=as_json):
                command(*arguments, **options)
        except KeyboardInterrupt as e:
            print(f"\nstopped: {str(e) or CONTINUE}", file=sys.stderr)
            sys.exit(STOPPED)

    hints = get_type_hints(command, include_extras=True)
    hints |= {
        "quiet": Annotated[bool, typer.Option("--quiet", help="Print results and errors only.")],
        "as_json": Annotated[
            bool, typer.Option("--json", help="Print one JSON object, and all else on standard error.")
        ],
    }
    own = inspect.signature(command).parameters
    parameters = [p.replace(annotation=hints[p.name]) for p in own.values()]
    parameters += [
        inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=hints[n])
        for n in ("quiet", "as_json")
    ]
    del run.__dict__["__wrapped__"]
    run.__annotations__ = hints
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    return run


def version() -> None:
    """Should I prompt, retrieve or fine-tune? Evidence on your own domain, and the winner as a LangChain model."""


def main() -> None:
    """Run the command line; an error becomes one message on stderr and its exit code."""
    from domainkit.cli.terminal.failures import TRACEBACK, untranslated
    from domainkit.errors import DomainkitError
    from domainkit.threads import share_heaps
    from domainkit.visible import visible

    share_heaps()
    # Without it tokenizers prints a warning when a progress bar forks.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Windows terminal may lack a character: print the rest
    try:
        words = sys.argv[1:]
        refuse_empty_values(words)
        app(words[0] if words and words[0] in COMMANDS else None)()
    except DomainkitError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(e.exit_code)
    except BrokenPipeError:  # a reader such as `head` has closed the pipe: end quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as e:
        if os.environ.get(TRACEBACK):
            raise
        what, next_step, code = untranslated(e)
        print(f"error: {visible(what)}\n  next: {next_step}", file=sys.stderr)
        sys.exit(code)


def refuse_empty_values(words: Sequence[str]) -> None:
    """An empty value is most often a variable of the shell that is not set; as a path it would mean this folder."""
    from domainkit.errors import ConfigError

    for before, word in pairwise(("", *words)):
        option, mark, value = word.partition("=")
        if (not word and before != "--system") or (mark and not value and option.startswith("--")):
            where = option or (before if before.startswith("--") else None)
            raise ConfigError("an argument is empty", where=where, next_step="give it a value, or leave it out")
