"""domainkit distil: what one model knows into another, as rows of a teacher's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domainkit.cli.adapters.distil_context import FROM_HELP, bake
from domainkit.cli.options import MAP_HELP, ROWS_HELP, describe_fields, field_help
from domainkit.cli.settings import as_path, read_settings, require, take_own_options
from domainkit.cli.terminal.output import hint, record, tell_next
from domainkit.corpus.rows.columns import parse_columns
from domainkit.distillation.config import DistilConfig
from domainkit.messages import JsonObject
from domainkit.visible import visible

_EPILOG = "Settings:\n\n" + describe_fields(DistilConfig)


def distil(
    context: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=_EPILOG, show_default=False)
    ] = None,
    from_run: Annotated[str | None, typer.Option("--from", help=FROM_HELP)] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            help="Questions without answers: a text file with one a line, or rows without a target in "
            f"{ROWS_HELP} Rows that have a target measure the teacher."
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Model whose answers are learnt: provider:model, server:URL#model, module:function, a base, an "
            "adapter, or RUN:VARIANT of a finished comparison."
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="Solved examples: the kind of task, its labels or fields, and what is shown in the prompt."),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="Test questions: near copies of them are not asked, so that none is learnt.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    kind: Annotated[str | None, typer.Option(help=field_help(DistilConfig, "kind"))] = None,
    labels: Annotated[Path | None, typer.Option(help="JSON list of the labels, where --like does not tell.")] = None,
    schema: Annotated[Path | None, typer.Option(help="JSON Schema of the objects, where --like does not tell.")] = None,
    tools: Annotated[Path | None, typer.Option(help="JSON list of tools for rows that bring none.")] = None,
    judge: Annotated[str | None, typer.Option(help="Chat model that grades each answer by --rubric.")] = None,
    rubric: Annotated[
        str | None, typer.Option(help="What makes an answer good, for --judge: the text, or a file that holds it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; an interrupted run continues in it.")] = None,
) -> None:
    """A teacher answers questions; the answers that are accepted become training rows that name it."""
    # The signature above is the only list of this command's options: `context.params` has their values by name.
    names = {"columns": "map", "from_run": "from"}
    flags = {names.get(n, n): v for n, v in context.params.items() if n != "settings"}
    values = read_settings(settings or [], {k: str(v) if isinstance(v, Path) else v for k, v in flags.items()})
    if "from" in values:
        bake(values, tuple(flags))
        return
    options = take_own_options(values, set(flags) - set(DistilConfig.model_fields), DistilConfig.model_fields)
    _answers(options, values)


def _answers(options: JsonObject, values: JsonObject) -> None:
    """--teacher: its answers become rows."""
    require(options, "teacher", "inputs", "out")
    columns = parse_columns(options.pop("map", None))
    texts = {name: options.pop(name) for name in ("teacher", "judge", "rubric") if name in options}
    paths: dict[str, Any] = {name: as_path(name, value) for name, value in options.items()}

    from domainkit.distillation.distil import distil as run
    from domainkit.distillation.report import next_commands, report_lines

    rows = run(
        paths.pop("inputs"),
        texts.pop("teacher"),
        columns=columns,
        **paths,
        **texts,
        **values,
    )
    for line in report_lines(rows):
        typer.echo(visible(line))
    record(folder=rows.out, file=rows.file, rows=len(rows.rows), questions=len(rows.outcomes), teacher=rows.quality)
    if not rows.rows:
        hint("Next: look at refused.jsonl: loosen agreement=, score= or grade=, or name a stronger --teacher")
        raise typer.Exit(1)
    for command in next_commands(rows):
        tell_next(command)
