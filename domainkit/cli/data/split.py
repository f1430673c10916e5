"""domainkit split: train, dev and test rows, with near-duplicates on one side."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.options import MAP_HELP, ROWS_HELP
from domainkit.cli.terminal.output import record, tell_next
from domainkit.corpus.rows.columns import parse_columns

if TYPE_CHECKING:
    from domainkit.splitting.divide import Split

NEXT_FOLDERS = {"examples": "runs/first", "pairs": "adapter", "marked answers": "adapter"}
"""--out of the next command, by what the rows are."""


def split(
    data: Annotated[Path, typer.Argument(help=f"Examples or pairs of answers ({ROWS_HELP}).")],
    out: Annotated[Path, typer.Option(help="Folder to write, which must not exist.")],
    by: Annotated[
        str | None,
        typer.Option(
            help="document (rows that share one of their doc_ids stay together), group (rows with one value of a "
            "field), time (oldest in train, newest in test), label (each label in its share) or random. Left out: what "
            "the rows show, which is said."
        ),
    ] = None,
    field: Annotated[
        str | None, typer.Option(help="The field of the group or time. Left out: group, or the usual names of a time.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    test: Annotated[float, typer.Option(help="Share of the rows for test.")] = 0.2,
    dev: Annotated[float, typer.Option(help="Share of the rows for dev; 0 makes none.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Another seed chooses other rows.")] = 0,
) -> None:
    """Divide rows into train, dev and test so that the test measures skill, not memory.

    Near-duplicate questions stay on one side, whatever else divides the rows, and the leakage check of `compare` finds
    nothing between the parts. Rows keep all their fields; what --map names has our names in them, so that no later
    command needs --map. The same seed and rows give the same split, in any order.
    """
    from domainkit.splitting.split import split as run
    from domainkit.visible import visible

    made = run(
        data,
        out,
        by=by,
        field=field,
        test=test,
        dev=dev,
        seed=seed,
        columns=parse_columns(columns),
    )
    facts = made.facts
    field_note = f" ('{visible(made.method.field)}')" if made.method.field else ""
    why = f": {made.method.why}" if made.method.why else ""
    typer.echo(f"split by {made.method.by}{field_note}{why}")
    typer.echo("; ".join(f"{name} {count:,} rows" for name, count in facts["rows"].items()) + f"; seed {seed}")
    near = f"{made.clusters:,} clusters of near-duplicates with {made.clustered_rows:,} rows, each on one side"
    typer.echo(f"{near}; the leakage check finds nothing between the parts")
    for note in made.notes:
        typer.echo(f"note: {visible(note)}")
    for name, digest in facts["sha256"].items():
        typer.echo(f"sha256 of {name}: {digest[:16]}")
    method = {"by": made.method.by, "field": made.method.field, "why": made.method.why}
    record(folder=out, **method, rows=facts["rows"], seed=seed, sha256=facts["sha256"], notes=made.notes)
    tell_next(f"{_next_command(made, out)} --out {NEXT_FOLDERS[made.kind]}", lead="\nNext: ")


def _next_command(made: Split, out: Path) -> str:
    """The command that uses the parts."""
    if made.kind != "examples":
        objective = "dpo" if made.kind == "pairs" else "kto"
        return f"domainkit prefer --data {quote(str(out / 'train.jsonl'))} --objective {objective}"
    parts = {"train": "--train", "dev": "--dev", "test": "--task"}
    rows = made.facts["rows"]
    options = [f"{option} {quote(str(out / f'{name}.jsonl'))}" for name, option in parts.items() if rows[name]]
    return f"domainkit compare {' '.join(options)}"
