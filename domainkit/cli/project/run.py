"""domainkit run: all of what a folder's run.toml says, from the check of its rows to the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit import progress
from domainkit.cli.terminal.output import tell_next

if TYPE_CHECKING:
    from domainkit.corpus.check import Inspection
    from domainkit.corpus.ingest import IngestSummary
    from domainkit.project.config import Project
    from domainkit.project.rows import RunRows
    from domainkit.results.schema import Results

log = logging.getLogger("domainkit")
NOT_READ = "not read: "
SHOWN = 5
"""Warnings of a file; domainkit check shows all."""


def run(
    folder: Annotated[Path, typer.Argument(help="Folder in which domainkit init wrote run.toml.")],
) -> None:
    """Check, split, train, compare and report, as run.toml in the folder says. An interrupted run goes on where it
    stopped; after a change of a file or a setting, only what depends on it is done again."""
    from domainkit.cli.compare import print_results
    from domainkit.cli.project.run_file import read_project
    from domainkit.comparison.compare import compare
    from domainkit.project.changes import changes, keep, last_start, started
    from domainkit.project.documents import documents_of
    from domainkit.project.rows import check_rows, rows_of

    project = read_project(folder)
    with _held(project):
        start, before = started(project), last_start(project)
        for change in changes(before, start) if before else []:
            _say("changed", change)
        if before == start:
            _say("changed", "nothing since the last run: what is finished is kept")
        said = _show_check(project, check_rows(project))
        keep(start, project.out)
        documents = documents_of(project, progress.report) if project.corpus else None
        rows = rows_of(project, progress.report)
        if documents is not None:
            _show_documents(project, documents)
        _show_rows(project, rows)
        with _said_once(said):
            results = compare(
                rows.task,
                out=project.out,
                train=rows.train,
                dev=rows.dev,
                corpus=documents.out if documents else None,
                columns=rows.columns,
                **project.options,
            )
    code = print_results(results, project.out)
    if results.verdict.choice:
        _show_next(project, results)
    if code:
        raise typer.Exit(code)


@contextmanager
def _held(project: Project) -> Iterator[None]:
    """Nothing else runs in the folder; its errors speak of this command."""
    from domainkit.errors import DomainkitError
    from domainkit.storage import locked_folder

    elsewhere = "copy the folder to where you may write, or name such a folder as 'out' in run.toml"
    try:
        with locked_folder(project.out):
            yield
    except DomainkitError as e:
        if e.next_step and "--out you may write to" in e.next_step:
            e.next_step = elsewhere
        elif e.next_step and "--out" in e.next_step:
            e.next_step = e.next_step.replace("another --out", "another 'out' in run.toml").replace(
                "an --out", "another 'out' in run.toml,"
            )
        raise


def _say(stage: str, text: str) -> None:
    from domainkit.visible import visible

    typer.echo(visible(f"{stage:<10} {text}".replace("\n", "\n" + 11 * " ")))


@contextmanager
def _said_once(said: set[str]) -> Iterator[None]:
    """Whoever reads the rows again has the same warnings: they are not shown again."""

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        # Of rows that were divided, other lines and counts say the same.
        return text not in said and not any(f": {one} (" in text for one in said if one.startswith(NOT_READ))

    log.addFilter(is_new)
    try:
        yield
    finally:
        log.removeFilter(is_new)


def _show_check(project: Project, found: dict[str, Inspection]) -> set[str]:
    """What `domainkit check` says of each file, in short. Returns its warnings."""
    from domainkit.project.config import named

    for name, file in found.items():
        _say("check", f"{named(project.settings, name)}: {file.summary}")
        warnings = [p for p in file.problems if p.severity == "warning"]
        for problem in warnings[:SHOWN]:
            _say("", f"warning: {problem}")
        if len(warnings) > SHOWN:
            source = quote(str(project.sources[name]))
            _say("", f"{len(warnings) - SHOWN:,} more warnings: domainkit check {source} shows all")
    problems = [problem for file in found.values() for problem in file.problems]
    unread = {p.what.partition(" (")[0] for p in problems if p.what.startswith(NOT_READ)}
    return {*map(str, problems), *unread}


def _show_documents(project: Project, documents: IngestSummary) -> None:
    pages = f", {documents.pages:,} pages" if documents.pages else ""
    counts = ", ".join(
        f"{count:,} {name}"
        for name in ("new", "changed", "unchanged", "deleted")
        if (count := getattr(documents, name))
    )
    noun = "document" if documents.documents == 1 else "documents"
    _say("documents", f"{documents.documents:,} {noun}{pages}, {documents.words:,} words; files: {counts}")
    for problem in documents.problems[:SHOWN]:
        _say("", f"{problem.severity}: {problem}")
    if len(documents.problems) > SHOWN:
        corpus = quote(str(project.folder / project.corpus[0]))
        _say("", f"{len(documents.problems) - SHOWN:,} more problems: domainkit check {corpus} shows all")


def _show_rows(project: Project, rows: RunRows) -> None:
    if rows.facts is None:
        return
    parts = "; ".join(
        f"{name} {count:,}" + (f" of {rows.facts['of'][name]:,}" if count < rows.facts["of"][name] else "")
        for name, count in rows.facts["used"].items()
        if count
    )
    kept = "" if rows.is_new else ", as in the last run"
    _say("split", f"by {rows.facts['by']}: {parts} rows, in {rows.folder}{kept}")
    for note in rows.facts.get("notes", ()) if rows.is_new else ():
        _say("", f"note: {note}")


def _show_next(project: Project, results: Results) -> None:
    """What to do with the result, beside asking the winner."""
    from domainkit.verdict.sentences import CANNOT_TELL

    out, choice = quote(str(project.out)), results.verdict.choice
    named = f" --variant {quote(choice)}" if results.verdict.answer == CANNOT_TELL else ""
    tell_next(f"domainkit review {out}", lead="\nNext, a person judges the answers: ")
    tell_next(f"domainkit pack {out}{named} --out {quote(str(project.folder / 'pack'))}", lead="For another machine: ")
    tell_next(f"domainkit run {quote(str(project.folder))}", lead="After a change of a file or of run.toml: ")
