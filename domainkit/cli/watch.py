"""domainkit watch: have the questions changed since the comparison? And what users said, as rows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from domainkit.cli.terminal.output import record, tell_next
from domainkit.errors import ConfigError


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder of the counts.")],
    run: Annotated[
        Path | None,
        typer.Option(help="Begin: make the reference from this run folder's own answers.", show_default=False),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(help="With --run, the variant in use; left out, the recommended one.", show_default=False),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(help="Also write the report to this file, as Markdown.", show_default=False)
    ] = None,
    feedback_rows: Annotated[
        Path | None,
        typer.Option(
            help="Write the feedback of users as rows (JSON Lines): corrections here for `train`, pairs and marks for "
            "`prefer` beside it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Report whether the questions or answers have changed since the run that is in use was measured. Exit code 0: no
    change is shown. 3: something changed, so its score may no longer hold."""
    if variant is not None and run is None:
        raise ConfigError("--variant is used with --run alone", next_step="add --run RUN, or leave --variant out")
    if feedback_rows is not None:
        if run is not None or summary is not None:
            what = "--feedback-rows takes no other option"
            raise ConfigError(what, next_step=f"domainkit watch {folder} --feedback-rows {feedback_rows}")
        return write_rows(folder, feedback_rows)
    if run is not None:
        from domainkit.monitoring.watch import watch as begin

        begin(folder, run, variant=variant).close()
    raise typer.Exit(tell(folder, summary))


def tell(folder: Path, summary: Path | None) -> int:
    """Print the report; the exit code."""
    from rich.console import Console

    from domainkit.monitoring.findings import find_changes
    from domainkit.monitoring.report import print_findings, watch_markdown
    from domainkit.storage import write_text
    from domainkit.visible import visible

    found = find_changes(folder)
    print_findings(found, Console())
    facts = ("folder", "headline", "changed", "value", "findings", "notes", "next_steps")
    record(**{name: getattr(found, name) for name in facts})
    if summary is not None:
        write_text(summary, watch_markdown(found))
        typer.echo(f"Wrote {visible(summary)}")
    return found.exit_code


def write_rows(folder: Path, out: Path) -> None:
    """Feedback to rows, and the commands that use them."""
    from domainkit.monitoring.feedback import write_feedback_rows
    from domainkit.visible import visible

    rows = write_feedback_rows(folder, out)
    written_rows: dict[str, object] = {}
    for note in rows.notes:
        typer.echo(note)
    uses = (
        (rows.corrections, "corrections", "add them to your training rows: domainkit train --data {} --out ADAPTER"),
        (rows.pairs, "pairs", "domainkit prefer --data {} --out ADAPTER"),
        (rows.marked, "marked answers", "domainkit prefer --objective kto --data {} --out ADAPTER"),
    )
    for written, what, use in uses:
        if written is not None:
            path, count = written
            typer.echo(visible(f"Wrote {count:,} {what} to {path}"))
            written_rows[what] = {"file": path, "rows": count}
            lead, _, command = use.rpartition("domainkit ")
            tell_next(f"domainkit {command.format(shlex.quote(str(path)))}", lead=f"Next: {lead}")
    record(feedback=written_rows, notes=list(rows.notes))
