"""domainkit check: every problem of a data file, before any training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def check(
    data: Annotated[Path, typer.Argument(help="Examples (JSON Lines) or documents (file or folder).")],
    task: Annotated[
        Path | None, typer.Option(help="A test file: training rows whose question is in it are errors.")
    ] = None,
) -> None:
    """Report every problem with file and line. Exit code 2 if there is an error; warnings alone pass."""
    from domainkit.corpus.check import check_and_count

    problems, summary = check_and_count(data, task)
    for problem in problems:
        typer.echo(f"{problem.severity}: {problem}")
    errors = sum(p.severity == "error" for p in problems)
    if not errors:
        typer.echo(str(summary))
    typer.echo(f"{errors} errors, {len(problems) - errors} warnings")
    sys.exit(2 if errors else 0)
