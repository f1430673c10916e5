"""domainkit report: rebuild the report of a finished run; no model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(help="Run folder, or its results.json.")]) -> None:
    """Write report.html and report.md from a run's results.json, and print the table."""
    from rich.console import Console

    from domainkit.evaluation.results import load_results
    from domainkit.report import write_report
    from domainkit.report.terminal import print_table

    results = load_results(run)
    page, text = write_report(run)
    print_table(results, Console())
    typer.echo(f"\nWrote {page} and {text}")
