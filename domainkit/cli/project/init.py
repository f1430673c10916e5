"""domainkit init: look at a folder, ask at most five questions, and write run.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit import progress
from domainkit.cli.terminal.output import next_command, record, refuse_json

if TYPE_CHECKING:
    from domainkit.project.look import Found
    from domainkit.project.questions import Question

SHOWN = 10
"""Files that are not used, as the terminal shows them; run.toml names more."""


def init(
    folder: Annotated[Path, typer.Argument(help="Folder with rows (questions and answers), documents, or both.")],
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take the first answer to every question.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write run.toml anew; the one that is there is kept as run.toml.old.")
    ] = False,
) -> None:
    """Look at a folder, ask at most five questions, and write run.toml into it, with every choice explained. Without a
    terminal nothing is asked."""
    if sys.stdin.isatty() and not yes:
        refuse_json("questions are asked, which is no result")
    from domainkit.project.choices import choose
    from domainkit.project.init import begin, write
    from domainkit.visible import visible

    found = begin(folder, force=force)
    for line in _described(found):
        typer.echo(visible(line))
    chosen = choose(found, _asked if sys.stdin.isatty() and not yes else _taken)
    file = write(folder, chosen)
    for path, why in chosen.not_used[:SHOWN]:
        typer.echo(visible(f"not used   {path}: {why}"))
    if len(chosen.not_used) > SHOWN:
        typer.echo(visible(f"not used   {len(chosen.not_used) - SHOWN:,} more, which {file} names"))
    typer.echo(visible(f"\nWrote {file}: read it, and change what you like."))
    record(file=file, not_used=[{"path": path, "why": why} for path, why in chosen.not_used])
    next_command("run", folder)


def _described(found: Found) -> Iterator[str]:
    """What is in the folder."""
    for rows in found.rows:
        if rows.state != "unusable":
            yield f"rows       {rows.path}: {rows.rows:,} ({rows.why})"
    if found.documents:
        first = ", ".join(found.documents[:3]) + (", …" if len(found.documents) > 3 else "")
        files = f"{len(found.documents):,} files: " if len(found.documents) > 1 else ""
        yield f"documents  {files}{first}"
    if found.prices:
        yield f"prices     {', '.join(found.prices)}"


def _taken(question: Question) -> str:
    """The first answer, said."""
    from domainkit.visible import visible

    others = [answer for answer, _ in question.options[1:]]
    note = f"   (else {', '.join(others)})" if others else f"   (else {question.other})" if question.other else ""
    typer.echo(visible(f"taken      {question.about}: {question.default}{note}"))
    return question.default


def _asked(question: Question) -> str:
    """The answer that is typed: a number, an answer in words, or nothing for the first."""
    from domainkit.errors import DomainkitError
    from domainkit.visible import visible

    progress.settle()
    typer.echo(visible(f"\n{question.text}"))
    for number, (answer, meaning) in enumerate(question.options, start=1):
        typer.echo(visible(f"  {number}  {answer}: {meaning}"))
    if question.other:
        typer.echo(visible(f"     or {question.other}"))
    answers = [answer for answer, _ in question.options]
    while True:
        try:
            typed = input("[1] ").strip()
        except EOFError:
            typed = ""
        answer = answers[int(typed or 1) - 1] if typed.isdecimal() and 0 < int(typed) <= len(answers) else typed
        answer = answer or question.default
        if answer not in answers and not question.other:
            typer.echo(f"a number from 1 to {len(answers)}")
            continue
        try:
            question.check(answer)
        except DomainkitError as e:
            typer.echo(f"{e}")
            continue
        return answer
