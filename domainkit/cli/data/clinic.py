"""domainkit check --deep, --fix and --label-next: the data clinic at the command line."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from shlex import quote

import typer

from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError
from domainkit.visible import visible

SHOWN = 5
"""Findings of each kind that the terminal shows."""


def run(data: Path, columns: str | None, *, deep: bool, fix: Path | None, out: Path | None) -> bool:
    """Do what the options ask for; False where they ask for nothing of the clinic."""
    if deep and fix is not None:
        raise ConfigError("--deep and --fix are two steps", next_step="first --deep, then --fix with what you accepted")
    if out is not None and not deep and fix is None:
        raise ConfigError("nothing is to be written", where="--out", next_step="add --deep or --fix FINDINGS")
    if deep:
        _examine(data, columns, out)
    elif fix is not None:
        _fix(data, columns, fix, out)
    return deep or fix is not None


def _examine(data: Path, columns: str | None, out: Path | None) -> None:
    """Show the surest findings of each kind; with `out`, write all of them."""
    from domainkit.cli.progress import comparing
    from domainkit.clinic.examine import examine
    from domainkit.clinic.findings_file import check_name

    if out is not None:
        check_name(out)
        if out.exists():
            raise ConfigError("is there already", where=str(out), next_step="choose another --out: marks may be in it")
    with comparing() as on_progress:
        found = examine(data, columns=parse_columns(columns), on_progress=on_progress)
    for kind, of_kind in groupby(found.findings, key=lambda f: f.kind):
        findings = list(of_kind)
        typer.echo(f"\n{kind}: {len(findings):,}")
        for finding in findings[:SHOWN]:
            typer.echo(f"  {visible(finding.place)}: {visible(finding.text)}")
            typer.echo(f"    {visible(finding.reason)} ({finding.sure:.0%} sure)")
            typer.echo(f"    → {visible(finding.suggestion)}")
        if len(findings) > SHOWN:
            typer.echo(f"  … and {len(findings) - SHOWN:,} more")
    for note in found.notes:
        typer.echo(f"note: {visible(note)}")
    counts = ", ".join(f"{count:,} {kind}" for kind, count in found.counts.items()) or "nothing found"
    typer.echo(f"\n{found.rows:,} rows: {counts}. Nothing was changed.")
    if not found.findings:
        typer.echo(f"\nNext: domainkit split {_named(data, columns)} --out split")
    elif out is None:
        typer.echo(
            f"\nNext: domainkit check {_named(data, columns)} --deep --out findings.csv lists all, to accept or not"
        )
    else:
        found.write(out)
        typer.echo(f"wrote {out}")
        typer.echo(
            f"\nNext: set accept to true where you agree, then domainkit check {_named(data, columns)} "
            f"--fix {quote(str(out))} --out fixed.jsonl"
        )


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
    typer.echo(f"\nNext: domainkit split {_named(out, columns)} --out split")


def _named(data: Path, columns: str | None) -> str:
    """The data as the next command names them."""
    return quote(str(data)) + (f" --map {quote(columns)}" if columns else "")
