"""domainkit make: documents to grounded question–answer rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainkit.cli.options import field_help
from domainkit.cli.settings import require
from domainkit.cli.terminal.output import record, tell_next
from domainkit.synthesis.config import MakeConfig
from domainkit.visible import visible


def _option(name: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=field_help(MakeConfig, name))
    return option


def make(
    context: typer.Context,
    corpus: Annotated[Path, typer.Argument(help="Documents: a folder, a file, or corpus.jsonl of domainkit ingest.")],
    writer: Annotated[
        str | None,
        typer.Option(
            help="Chat model that writes: provider:model (openai:gpt-5-mini; LangChain's integrations), "
            "server:http://host:8000#model, an adapter's or a base's folder, a hub id, or builtin:smollm2-135m."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; an interrupted run continues in it.")] = None,
    rows: Annotated[int | None, _option("rows")] = None,
    test_share: Annotated[float | None, _option("test_share")] = None,
    judge: Annotated[
        str | None, typer.Option(help="Second model, which says whether each answer follows from its quote.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="Model that is asked without the documents: what it knows is dropped.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="People's own rows: their questions are not asked again.")
    ] = None,
    per_request: Annotated[int | None, _option("per_request")] = None,
    seed: Annotated[int | None, _option("seed")] = None,
    budget_calls: Annotated[int | None, _option("budget_calls")] = None,
    budget_tokens: Annotated[int | None, _option("budget_tokens")] = None,
    budget_money: Annotated[float | None, _option("budget_money")] = None,
    prices: Annotated[Path | None, _option("prices")] = None,
    max_concurrency: Annotated[int | None, _option("max_concurrency")] = None,
    requests_per_minute: Annotated[float | None, _option("requests_per_minute")] = None,
) -> None:
    """Make question–answer rows from documents: each rests on a quote that stands in its document, word for word."""
    require({"writer": writer, "out": out}, "writer", "out")
    assert writer is not None
    assert out is not None

    from domainkit.synthesis.make import make as run
    from domainkit.synthesis.report.sentences import next_command
    from domainkit.synthesis.report.terminal import report_lines

    # The signature above is the only list of this command's options: `context.params` has their values by name.
    options = {k: context.params[k] for k in MakeConfig.model_fields if context.params.get(k) is not None}
    if prices is not None:
        options["prices"] = str(prices)
    made = run(corpus, writer, out=out, judge=judge, base=base, against=against, **options)
    for line in report_lines(made):
        typer.echo(visible(line))
    typer.echo(f"\nReport: {out / 'report.md'}. Every dropped row: {out / 'dropped.jsonl'}")
    record(folder=out, rows=len(made.rows), report=out / "report.md", dropped=out / "dropped.jsonl")
    tell_next(next_command(made))
    if not made.rows:
        raise typer.Exit(1)
