"""domainkit report: rebuild the report of a finished run, set two runs side by side, export; no model is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import hint, next_command, record, tell_next
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.results.schema import Results


def report(
    run: Annotated[Path | None, typer.Argument(help="Run folder, or its results.json.", show_default=False)] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            help="Two runs on the same questions, A and B: writes one page of what changed.", show_default=False
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Also write every question and answer to this CSV file.")] = None,
    prices: Annotated[Path | None, typer.Option(help="Compute the cost again with this price table (TOML).")] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="An earlier run: the report says what changed since. Left out, the one that this run replaced.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for --compare; left out, side_by_side.html in B's folder.")
    ] = None,
) -> None:
    """Write report.html and report.md from a run's results.json, and print the table."""
    if compare is not None:
        if run is not None or csv is not None or prices is not None or against is not None:
            raise ConfigError(
                "--compare needs two runs and no other argument", next_step="domainkit report --compare A B"
            )
        return side_by_side(*compare, out)
    if run is None:
        raise ConfigError("the run is missing", next_step="domainkit report RUN, or domainkit report --compare A B")
    if out is not None:
        raise ConfigError(
            "--out can be used only with --compare",
            next_step="the report of one run is written beside its results.json",
        )
    return one(run, csv, prices, against)


def one(run: Path, csv: Path | None, prices: Path | None, against: Path | None = None) -> None:
    """The report of one run; new prices go into its results.json, from which the report is made."""
    from rich.console import Console

    from domainkit.report import write_report
    from domainkit.report.terminal import print_table
    from domainkit.results.schema import Portfolio, load_results

    results = load_results(run)
    if prices is not None:
        from domainkit.verdict.costs.cost import reprice

        results = reprice(results, prices)
        results.save(run / "results.json" if run.is_dir() else run)
    if not isinstance(results, Portfolio):
        from domainkit.verdict.people.by_people import with_people

        reviewed = with_people(results, run if run.is_dir() else run.parent)
        if reviewed.people != results.people:
            reviewed.save(run / "results.json" if run.is_dir() else run)
        results = reviewed
    if csv is not None:
        from domainkit.report.items_csv import write_csv

        if isinstance(results, Portfolio):
            raise ConfigError(
                "--csv writes the questions of one comparison", next_step="name the folder of one of them"
            )
        write_csv(results, csv)
    page, text = write_report(run, against)
    print_table(results, Console())
    typer.echo(f"\nWrote {page} and {text}" + (f", {csv}" if csv else ""))
    if not isinstance(results, Portfolio) and results.leaving is not None:
        from domainkit.leaving.write import write_certificate

        typer.echo("Wrote {} and {}".format(*write_certificate(run)))
    if not isinstance(results, Portfolio):
        record_results(results, page.parent)
        print_use(results, page.parent)
    else:
        record(page=page, text=text, comparisons=len(results.comparisons))


def print_use(results: Results, folder: Path) -> None:
    """The lines that load the recommended variant, ready to paste; none where the run has no record of its variants."""
    from domainkit.report.sections.use_section import loadable_from, use_of

    named = loadable_from(folder, results)
    if named is not None and (use := use_of(results, named)) is not None:
        lines = ["", use.lead, "", *(line and f"  {line}" for line in use.python.splitlines()), ""]
        hint("\n".join(lines))
        for command in use.commands:
            tell_next(command, lead="  ")


def record_results(results: Results, folder: Path) -> None:
    """A comparison for --json: the verdict, and each variant's score with its interval."""
    verdict, metric = results.verdict, results.task.primary_metric
    record(
        run=folder,
        report=folder / "report.html",
        results=folder / "results.json",
        answer=verdict.answer,
        choice=verdict.choice or None,
        headline=verdict.headline,
        cautions=verdict.cautions,
        metric=metric,
        variants={v.name: v.metrics.get(metric) for v in results.variants},
        failed=list(results.failed),
    )


def side_by_side(a: Path, b: Path, out: Path | None) -> None:
    """One page and one table of two runs."""
    from rich.console import Console

    from domainkit.report.side_by_side import print_side_by_side, render_side_by_side, set_side_by_side
    from domainkit.results.schema import load_results
    from domainkit.storage import write_text

    comparison = set_side_by_side(load_results(a), load_results(b))
    page = out or (b if b.is_dir() else b.parent) / "side_by_side.html"
    write_text(page, render_side_by_side(comparison, (str(a), str(b))))
    print_side_by_side(comparison, Console(), (str(a), str(b)))
    typer.echo(f"\nWrote {page}")
    record(page=page, runs=[a, b])
    next_command("gate", b, "--against", a)
