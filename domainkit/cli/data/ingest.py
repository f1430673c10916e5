"""domainkit ingest: a folder of documents to one JSON Lines file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import next_command, record
from domainkit.corpus.readers import formats

if TYPE_CHECKING:
    from domainkit.corpus.ingest import IngestSummary

MAX_LISTED = 20
CHANGES = ("new", "changed", "unchanged", "deleted")
"""What became of files since the last time."""


def ingest(
    source: Annotated[Path, typer.Argument(help=f"A folder of documents, or a file ({formats()}).")],
    out: Annotated[Path, typer.Option(help="The JSON Lines file to write; --corpus reads it.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that read files. Left out: one a core, at most 4.")
    ] = None,
    ocr_languages: Annotated[
        str | None,
        typer.Option(
            help="Languages of scanned pages in tesseract's words, as deu+eng. Left out: those of the page's script."
        ),
    ] = None,
) -> None:
    """Read documents once and keep their text, with pages and headings.

    Run it again after files have changed: only these are read. An interrupted run continues where it stopped.
    """
    from domainkit.corpus.ingest import ingest as run
    from domainkit.corpus.readers.pdf.ocr import LANGUAGES

    if ocr_languages:
        os.environ[LANGUAGES] = ocr_languages  # the processes that read files inherit it
    summary = run(source, out, workers=workers)
    errors = _print_problems(summary)
    _print_summary(summary)
    changes = {name: getattr(summary, name) for name in CHANGES}
    counts = {name: getattr(summary, name) for name in ("documents", "pages", "words", "files", "left_out")}
    record(file=out, **counts, **changes, problems=summary.problems)
    next_command("compare", "--task", "TEST.jsonl", "--corpus", out, "--out", "runs/first", lead="\nNext: ")
    sys.exit(2 if errors else 0)


def _print_problems(summary: IngestSummary) -> int:
    """Errors first; returns their number."""
    problems = sorted(summary.problems, key=lambda p: p.severity)
    for problem in problems[:MAX_LISTED]:
        typer.echo(f"{problem.severity}: {problem}", err=True)
    if len(problems) > MAX_LISTED:
        typer.echo(f"… and {len(problems) - MAX_LISTED} more, counted below", err=True)
    return sum(p.severity == "error" for p in problems)


def _print_summary(summary: IngestSummary) -> None:
    pages = f", {summary.pages:,} pages" if summary.pages else ""
    typer.echo(f"{summary.documents:,} documents{pages}, {summary.words:,} words from {summary.files:,} files")
    typer.echo("files: " + ", ".join(f"{getattr(summary, change):,} {change}" for change in CHANGES))
    if summary.left_out:
        typer.echo(f"left out: {summary.left_out:,} files that gave no document")
    for kind, count in summary.warnings_by_kind.most_common():
        typer.echo(f"{count:,} × {kind}")
