"""domainkit check --deep, --fix and --label-next: the data clinic at the command line."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from shlex import quote

import typer

from domainkit.cli.terminal.output import record, tell_next
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError
from domainkit.visible import visible

SHOWN = 5
"""Findings of each kind that the terminal shows."""
MOST_CHOSEN = 50
"""Rows that --label-next chooses where --n is left out."""


def run(
    data: Path,
    columns: str | None,
    *,
    task: Path | None,
    deep: bool,
    fix: Path | None,
    label_next: Path | None,
    n: int | None,
    out: Path | None,
) -> bool:
    """Do what the options ask for; False where they ask for nothing of the clinic."""
    asked = [name for name, given in (("--deep", deep), ("--fix", fix), ("--label-next", label_next)) if given]
    if len(asked) > 1:
        what = f"{' and '.join(asked)} are separate steps"
        raise ConfigError(what, next_step="first --deep, then --fix with what you accepted, then --label-next")
    if out is not None and not asked:
        next_step = "add --deep, --fix FINDINGS or --label-next ROWS"
        raise ConfigError("nothing is to be written", where="--out", next_step=next_step)
    if task is not None and asked:
        raise ConfigError(
            f"is not used with {asked[0]}", where="--task", next_step="check against it in a run of its own"
        )
    if n is not None and label_next is None:
        raise ConfigError(
            "is used with --label-next alone", where="--n", next_step="add --label-next ROWS, or leave it out"
        )
    if deep:
        _examine(data, columns, out)
    elif fix is not None:
        _fix(data, columns, fix, out)
    elif label_next is not None:
        _label_next(data, columns, label_next, MOST_CHOSEN if n is None else n, out)
    return bool(asked)


def _examine(data: Path, columns: str | None, out: Path | None) -> None:
    """Show the surest findings of each kind; with `out`, write all of them."""
    from domainkit.clinic.examine import examine
    from domainkit.clinic.findings_file import check_name

    if out is not None:
        check_name(out)
        if out.exists():
            raise ConfigError("is there already", where=str(out), next_step="choose another --out: marks may be in it")
    found = examine(data, columns=parse_columns(columns))
    for kind, of_kind in groupby(found.findings, key=lambda f: f.kind):
        findings = list(of_kind)
        typer.echo(f"\n{kind}: {len(findings):,}")
        for finding in findings[:SHOWN]:
            typer.echo(f"  {visible(finding.place)}: {visible(finding.text)}")
            typer.echo(f"    {visible(finding.reason)}")
            typer.echo(f"    → {visible(finding.suggestion)}")
        if len(findings) > SHOWN:
            typer.echo(f"  … and {len(findings) - SHOWN:,} more")
    for note in found.notes:
        typer.echo(f"note: {visible(note)}")
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items()) or "nothing found"
    typer.echo(f"\n{found.rows:,} rows: {counts}. Nothing was changed.")
    file = out if found.findings else None
    record(data=data, rows=found.rows, counts=dict(found.counts), findings=found.findings, notes=found.notes, file=file)
    if not found.findings:
        if out is not None:
            typer.echo(f"{out} is not written: there is nothing to accept")
        tell_next(f"domainkit split {_named(data, columns)} --out split", lead="\nNext: ")
    elif out is None:
        again = f"domainkit check {_named(data, columns)} --deep --out findings.csv"
        tell_next(again, lead="\nNext, to list all and accept or not: ")
    else:
        found.write(out)
        typer.echo(f"wrote {out}")
        again = f"domainkit check {_named(data, columns)} --fix {quote(str(out))} --out fixed.jsonl"
        tell_next(again, lead="\nNext: set accept to true where you agree, then ")


def _fix(data: Path, columns: str | None, findings: Path, out: Path | None) -> None:
    """Write a new file with what was accepted."""
    from domainkit.clinic.fix import fix

    if out is None:
        raise ConfigError("missing: --out", where="--fix", next_step="name the new file: --out fixed.jsonl")
    done = fix(data, findings, out, columns=parse_columns(columns))
    for problem in done.not_done:
        typer.echo(f"warning: {problem}")
    typer.echo(
        f"{done.rows:,} rows: {done.relabelled:,} with another label, {done.deleted:,} deleted, {done.masked:,} values "
        f"masked; {done.not_accepted:,} findings not accepted"
    )
    typer.echo(f"wrote {done.written:,} rows to {out}; {data} is as it was")
    facts = ("rows", "relabelled", "deleted", "masked", "not_accepted", "written")
    record(file=out, not_done=list(done.not_done), **{name: getattr(done, name) for name in facts})
    tell_next(f"domainkit split {quote(str(out))} --out split", lead="\nNext: ")


def _label_next(data: Path, columns: str | None, unlabelled: Path, n: int, out: Path | None) -> None:
    """Show the rows whose labels would help most; with `out`, write them to be filled in."""
    from domainkit.clinic.next_to_label import next_to_label

    made = next_to_label(data, unlabelled, out, n=n, columns=parse_columns(columns))
    for number, one in enumerate(made.chosen[: 2 * SHOWN], start=1):
        guesses = f" ({' or '.join(one.guesses)}?)" if one.guesses else ""
        typer.echo(
            f"{number:3} {visible(' '.join(str(made.rows[one.row][made.field]).split())[:200])}{visible(guesses)}"
        )
    if len(made.chosen) > 2 * SHOWN:
        typer.echo(f"    … and {len(made.chosen) - 2 * SHOWN:,} more")
    for note in made.notes:
        typer.echo(f"note: {visible(note)}")
    typer.echo(f"{len(made.chosen):,} of {len(made.rows):,} rows, the least sure and spread over what they ask")
    again = f"domainkit check {_named(data, columns)} --label-next {quote(str(unlabelled))} --n {n}"
    rows = [{"row": made.rows[one.row], "guesses": one.guesses} for one in made.chosen]
    record(chosen=rows, of=len(made.rows), notes=made.notes, file=out)
    if out is None:
        tell_next(f"{again} --out to_label.jsonl", lead="\nNext: ")
    else:
        typer.echo(f"wrote {out}")
        lead = "\nNext: fill in each target, add the rows to the data, then "
        tell_next(f"domainkit check {quote(str(out))}", lead=lead)


def _named(data: Path, columns: str | None) -> str:
    """The data as the next command names them."""
    return quote(str(data)) + (f" --map {quote(columns)}" if columns else "")
