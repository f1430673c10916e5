"""domainkit train: an adapter from examples or documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainkit.cli.options import EPILOG_TRAIN, MAP_HELP, ROWS_HELP, field_help
from domainkit.cli.settings import as_path, read_settings, require, take_own_options
from domainkit.cli.terminal.output import next_command, record
from domainkit.corpus.readers import formats
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError
from domainkit.messages import JsonObject
from domainkit.training.config import TrainConfig, parse_config


def train(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=EPILOG_TRAIN, show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option(help=f"Examples: {ROWS_HELP}")] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    documents: Annotated[
        Path | None,
        typer.Option(
            help=f"Raw text ({formats()}; a file or a folder) for continued pretraining, instead of --data or with it."
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help=field_help(TrainConfig, "base"))] = None,
    method: Annotated[str | None, typer.Option(help=field_help(TrainConfig, "method"))] = None,
    turns: Annotated[str | None, typer.Option(help=field_help(TrainConfig, "turns"))] = None,
    out: Annotated[Path | None, typer.Option(help="Adapter folder to write.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same settings.")
    ] = False,
    sweep: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of settings to try: tokens = 50000, and tables [[grid]]: each entry of a list is tried. "
            "Every run trains on the same number of tokens; the best is chosen on a development part of --data. "
            "metrics=NAME,… and kind= say what it is chosen by. An interrupted sweep continues."
        ),
    ] = None,
) -> None:
    """Train an adapter. With --resume, an interrupted run continues to the same result."""
    flags = {"data": data, "map": columns, "documents": documents, "base": base, "method": method, "turns": turns}
    values = read_settings(settings or [], {**flags, "out": out})
    own = ("data", "map", "documents", "out", "metrics", "kind")
    command_options = take_own_options(values, own, TrainConfig.model_fields)
    scoring: JsonObject = {name: command_options.pop(name) for name in own[-2:] if name in command_options}
    if scoring and sweep is None:
        what = f"'{next(iter(scoring))}' says what a sweep chooses by, and this is none"
        raise ConfigError(what, next_step="add --sweep FILE, or leave it out")
    mapped = parse_columns(command_options.pop("map", None))
    require(command_options, "out")
    if not command_options.get("data") and not command_options.get("documents"):
        require(command_options, "data")
    paths = {name: as_path(name, value) for name, value in command_options.items()}
    config = parse_config(values)
    if sweep is not None:
        from domainkit.cli.adapters.sweep import run_sweep

        require(command_options, "data")
        run_sweep(sweep, values, paths["data"], paths["out"], mapped, scoring)
        return

    from domainkit.corpus.read_files import read_documents, read_examples
    from domainkit.training.distributed import is_main_process
    from domainkit.training.optimization.checkpoints import locked_run
    from domainkit.training.train import train as run

    # A second run on one folder is refused before it reads anything.
    with locked_run(paths["out"]):
        examples = read_examples(paths["data"], mapped) if "data" in paths else []
        texts = list(read_documents(paths["documents"])) if "documents" in paths else None
        adapter = run(examples, config, paths["out"], resume=resume, documents=texts, columns=mapped)
    if not is_main_process():
        return
    card = adapter.card
    typer.echo(f"Adapter: {adapter.folder}")
    facts = {} if card is None else {"loss": card.final_loss, "tokens": card.tokens, "seconds": card.seconds}
    record(adapter=adapter.folder, **facts)
    if card and card.final_loss is not None:
        typer.echo(f"Loss {card.final_loss:.4f} after {card.tokens:,} tokens in {card.seconds:.0f} s.")
    next_command("ask", "--adapter", adapter.folder, "your question")
