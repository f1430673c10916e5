"""domainkit check: how data are understood, and every problem in them, before any training."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.options import MAP_HELP, ROWS_HELP
from domainkit.cli.terminal.output import record, tell_next
from domainkit.corpus.rows.columns import parse_columns

if TYPE_CHECKING:
    from domainkit.corpus.check import Inspection, Understood
    from domainkit.corpus.example import Example

SHOWN_CHARACTERS = 400
"""Of one turn of an example that is shown."""


def check(
    data: Annotated[Path, typer.Argument(help=f"Examples ({ROWS_HELP}) or documents (a file or a folder).")],
    task: Annotated[
        Path | None, typer.Option(help="A test file: training rows whose question is in it are errors.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Look at each row: likely wrong labels, contradictions, near-duplicates, outliers, rare labels, "
            "personal data, other languages. Nothing is changed; --out lists all findings.",
        ),
    ] = False,
    fix: Annotated[
        Path | None,
        typer.Option(
            help="The findings of --deep, with accept set to true where you agree: --out gets the corrected rows."
        ),
    ] = None,
    label_next: Annotated[
        Path | None,
        typer.Option(help="Unlabelled rows: those whose labels would help most beside the data, for --out to fill in."),
    ] = None,
    n: Annotated[int | None, typer.Option("--n", help="Rows that --label-next chooses; left out, 50.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New file: the findings of --deep (.jsonl or .csv), the rows of --fix, or those to label (.jsonl)."
        ),
    ] = None,
) -> None:
    """Say how the data are understood, and report every problem with file and line. Exit code 2 if there is an error;
    warnings alone pass."""
    from domainkit.cli.data import clinic

    if clinic.run(data, columns, task=task, deep=deep, fix=fix, label_next=label_next, n=n, out=out):
        return
    from domainkit.corpus.check import inspect

    found = inspect(data, task, parse_columns(columns))
    for line in described(data, found.understood):
        typer.echo(line)
    for number, example in enumerate(found.shown, start=1):
        typer.echo(shown(example, number, len(found.shown)))
    for problem in found.problems:
        typer.echo(f"{problem.severity}: {problem}")
    errors = sum(p.severity == "error" for p in found.problems)
    if not errors:
        typer.echo(str(found.summary))
    counts = {"errors": errors, "warnings": len(found.problems) - errors}
    typer.echo(", ".join(f"{n} {name.removesuffix('s') if n == 1 else name}" for name, n in counts.items()))
    record(data=data, **counts, problems=found.problems, summary=found.summary)
    if proposed := proposed_map(found):
        tell_next(f"domainkit check {quote(str(data))} {proposed}")
    else:
        lead = "Next: correct the errors, then " if errors else "Next: "
        tell_next(next_command(data, task, columns, found, errors), lead=lead)
    sys.exit(2 if errors else 0)


def described(data: Path, understood: Understood | None) -> list[str]:
    """How the rows were read: the format, the layout with its rows, and columns of other names."""
    from domainkit.visible import visible

    if understood is None:
        return []
    lines = [f"{data}: {understood.format}"]
    if understood.layouts:
        lines.append("layout: " + "; ".join(f"{name} ({count:,} rows)" for name, count in understood.layouts))
    if understood.columns:
        lines.append("columns: " + ", ".join(f"'{column}' is {field}" for column, field in understood.columns))
    return [visible(line) for line in lines]


def shown(example: Example, number: int, of: int) -> str:
    """An example as the model will be taught it: each turn with its role, made safe to look at."""
    from domainkit.visible import visible

    turns: list[tuple[str, str]] = [(turn.role, turn.content) for turn in example.prompt]
    turns.append((f"{example.turns[-1].role} (to be learnt)", example.target))
    lines = [f"row {number} of the first {of}, {example.source}:" if of > 1 else f"{example.source}:"]
    for role, text in turns:
        short = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
        lines.append(f"  {role}: " + "\n    ".join(visible(short).split("\n")))
    return visible("\n".join(lines))


def proposed_map(found: Inspection) -> str | None:
    """The option that would read columns of no known names, where an error proposes one."""
    steps = (re.search(r"question and answer, such as (--map .+)$", p.next_step or "") for p in found.problems)
    return next((step[1] for step in steps if step), None)


def next_command(data: Path, task: Path | None, columns: str | None, found: Inspection, errors: int) -> str:
    """The command that follows: rows without a test file are divided first."""
    mapped = f" --map {quote(columns)}" if columns else ""
    file = quote(str(data))
    if errors:
        return f"domainkit check {file}{mapped}"
    kind = found.summary.kind
    test = quote(str(task)) if task else "TEST.jsonl"
    if kind == "documents":
        return f"domainkit compare --corpus {file} --task {test} --out runs/first"
    if kind != "examples":
        objective = "dpo" if kind == "pairs" else "kto"
        return f"domainkit prefer --data {file}{mapped} --objective {objective} --out adapter"
    if task is None:
        return f"domainkit split {file}{mapped} --out rows"
    return f"domainkit compare --train {file}{mapped} --task {test} --out runs/first"
