"""domainkit compare: every variant on the same questions, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.named_models import MODEL_HELP, take_models
from domainkit.cli.options import EPILOG_COMPARE, MAP_HELP, ROWS_HELP, field_help
from domainkit.cli.settings import as_path, read_settings, require, split_names, take_own_options
from domainkit.cli.terminal.output import record
from domainkit.comparison.config import CompareConfig
from domainkit.corpus.readers import formats
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.messages import JsonObject
    from domainkit.results.schema import Results
    from domainkit.training.config import TrainConfig


def compare(
    context: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=EPILOG_COMPARE, show_default=False)
    ] = None,
    task: Annotated[Path | None, typer.Option(help=f"Test questions: {ROWS_HELP}")] = None,
    train: Annotated[
        Path | None, typer.Option(help="Solved examples: for few-shot prompts and the classical baseline.")
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    tools: Annotated[
        Path | None, typer.Option(help="JSON list of tools for rows that bring none: their answers are calls.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "kind"))] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="JSON Schema of the objects that are answers (kind fields); left out, it is learnt from --train."
        ),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help=f"Documents to retrieve from ({formats()}; a file or a folder).")
    ] = None,
    retriever: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "retriever"))] = None,
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder for the tuned variants.")] = None,
    context_adapter: Annotated[
        Path | None, typer.Option(help="Adapter trained with passages in its prompts, for tuned-context.")
    ] = None,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Train the missing adapters on --train. Settings such as fit.epochs=2 say how."),
    ] = False,
    variants: Annotated[
        str | None, typer.Option(help="Comma-separated names; left out, all that can run, except agents.")
    ] = None,
    base: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "base"))] = None,
    model: Annotated[list[str] | None, typer.Option(metavar="NAME=SPEC", help=MODEL_HELP)] = None,
    server: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "server"))] = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="Questions that settings were chosen on; test questions among them are reported."),
    ] = None,
    curve: Annotated[
        str | None,
        typer.Option(help="Comma-separated adapters trained on smaller parts of --train, for the learning curve."),
    ] = None,
    replicas: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated adapters that differ from --adapter only in the seed: they show what holds for the "
            "training recipe, not only for one adapter."
        ),
    ] = None,
    judge: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "judge"))] = None,
    rubric: Annotated[str | None, typer.Option(help=field_help(CompareConfig, "rubric"))] = None,
    race: Annotated[bool | None, typer.Option("--race", help=field_help(CompareConfig, "race"))] = None,
    general: Annotated[Path | None, typer.Option(help=field_help(CompareConfig, "general"))] = None,
    general_text: Annotated[Path | None, typer.Option(help=field_help(CompareConfig, "general_text"))] = None,
    refresh: Annotated[bool | None, typer.Option("--refresh", help=field_help(CompareConfig, "refresh"))] = None,
    budget: Annotated[float | None, typer.Option(help=field_help(CompareConfig, "budget"))] = None,
    prices: Annotated[Path | None, typer.Option(help=field_help(CompareConfig, "prices"))] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; an interrupted run continues in it.")] = None,
) -> None:
    """Compare prompting, retrieval, fine-tuning and their combination on the same questions, and write the report."""
    # The signature above is the only list of this command's options: `context.params` has their values by name.
    flags = {
        "map" if n == "columns" else n: v for n, v in context.params.items() if n not in ("settings", "fit", "model")
    }
    values = read_settings(settings or [], {k: str(v) if isinstance(v, Path) else v for k, v in flags.items()})
    arguments = compare_arguments(values, fit=fit, models=model or ())
    require(arguments, "task", "out")

    from domainkit.comparison.compare import compare as run

    results = run(**arguments)
    if code := print_results(results, arguments["out"]):
        raise typer.Exit(code)


def own_options() -> set[str]:
    """The options of the command that are not fields of CompareConfig."""
    names = set(signature(compare).parameters) - {"context", "settings", "fit", "model", "columns"}
    return {*names, "map"} - set(CompareConfig.model_fields)


def compare_arguments(values: JsonObject, *, fit: bool, models: Sequence[str] = ()) -> JsonObject:
    """The arguments of `compare()` that a run file's values and the options mean; paths as they are written.

    Raises ConfigError for an unknown option, and a value of another type.
    """
    values = dict(values)
    training, named = fit_config(values, fit), take_models(values, models)
    own = take_own_options(values, own_options(), CompareConfig.model_fields)
    mapped = parse_columns(own.pop("map", None))
    lists = {name: split_names(name, own.pop(name, None)) for name in ("curve", "replicas", "variants")}
    return {
        **{name: as_path(name, value) for name, value in own.items()},
        "variants": lists["variants"],
        "curve": lists["curve"] or (),
        "replicas": lists["replicas"] or (),
        "fit": training,
        "columns": mapped,
        "models": named,
        **values,
    }


def print_results(results: Results, folder: Path) -> int:
    """The table, the report's path, and the lines that use the recommended variant. Returns the exit code: 1 where
    there is none, or a variant could not be scored."""
    from rich.console import Console

    from domainkit.cli.report import print_use, record_results
    from domainkit.report.since_last import previous_of
    from domainkit.report.terminal import print_table
    from domainkit.visible import visible

    print_table(results, Console())
    since = previous_of(folder, results)
    if since is not None:
        typer.echo(f"\n{visible(since.line)}")
    record(since_last=since.line if since is not None else None)
    if failed := results.failed:
        what = f"no score for {', '.join(failed)}: the report says why"
        typer.echo(
            f"\nerror: {what}\n  next: correct this and run the same command again: only these are asked", err=True
        )
    typer.echo(f"\nOpen {folder / 'report.html'} in a browser. Figures: {folder / 'results.json'}")
    record_results(results, folder)
    print_use(results, folder)
    return 1 if failed or not results.verdict.choice else 0


def fit_config(values: JsonObject, fit: bool) -> TrainConfig | None:
    """How to train missing adapters: the run file's [fit] table and `fit.key=value` settings, removed from `values`.

    None without --fit. Raises ConfigError for such settings without --fit.
    """
    from domainkit.training.config import parse_config

    table = values.pop("fit", {})
    if not isinstance(table, dict):
        raise ConfigError(f"{table!r} is not a table", where="fit", next_step="write fit.epochs=2, or a table [fit]")
    dotted = {k: values.pop(k) for k in list(values) if k.startswith("fit.")}
    options = {**table, **{k.removeprefix("fit."): v for k, v in dotted.items()}}
    if not fit:
        if options:
            what = f"'fit.{next(iter(options))}' is set, but no adapter is to be trained"
            raise ConfigError(what, next_step="add --fit")
        return None
    shared = {k: values[k] for k in ("base", "revision", "quantization") if values.get(k)}
    return parse_config(shared | options)
