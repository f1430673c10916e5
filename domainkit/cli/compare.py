"""domainkit compare: every variant on the same questions, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domainkit.cli.options import EPILOG_COMPARE
from domainkit.cli.settings import gather, require, take
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.training.config import TrainConfig

OWN = ("task", "train", "corpus", "adapter", "context_adapter", "dev", "curve", "replicas", "variants", "out")


def compare(
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=EPILOG_COMPARE, show_default=False)
    ] = None,
    task: Annotated[Path | None, typer.Option(help="Test questions: JSON Lines of input and target.")] = None,
    train: Annotated[
        Path | None, typer.Option(help="Solved examples: for few-shot prompts and the classical baseline.")
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Documents to retrieve from (txt, md, jsonl; file or folder).")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder for the tuned variants.")] = None,
    context_adapter: Annotated[
        Path | None, typer.Option(help="Adapter trained with passages in its prompts, for tuned-context.")
    ] = None,
    fit: Annotated[
        bool,
        typer.Option(
            "--fit", help="Train the adapters that are not given, on --train; fit.epochs=2 and alike set how."
        ),
    ] = False,
    variants: Annotated[
        str | None, typer.Option(help="Comma-separated names; left out, all that can run but agents.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model; left out, the adapter's.")] = None,
    dev: Annotated[
        Path | None, typer.Option(help="Questions settings were chosen on: test questions among them are told.")
    ] = None,
    curve: Annotated[
        str | None, typer.Option(help="Comma-separated adapters trained on smaller parts of train: the learning curve.")
    ] = None,
    replicas: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated adapters like --adapter but for the seed: what holds of the training recipe."
        ),
    ] = None,
    race: Annotated[
        bool | None, typer.Option("--race", help="Stop asking a variant once it is clearly worse than another.")
    ] = None,
    general: Annotated[
        Path | None,
        typer.Option(help="General multiple-choice questions: what the adapter forgot is measured on them."),
    ] = None,
    general_text: Annotated[
        Path | None, typer.Option(help="General text, for bits per byte with and without the adapter.")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="Price table (TOML): machine-hour, tokens, labels; left out, defaults that say so."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; an interrupted run continues in it.")] = None,
) -> None:
    """Compare prompting, retrieval, fine-tuning and their combination on the same questions, and write the report."""
    from domainkit.comparison.config import CompareConfig

    given = {
        "task": task,
        "train": train,
        "corpus": corpus,
        "adapter": adapter,
        "context_adapter": context_adapter,
        "variants": variants,
        "base": base,
        "dev": dev,
        "curve": curve,
        "replicas": replicas,
        "race": race,
        "general": general and str(general),
        "general_text": general_text and str(general_text),
        "prices": prices and str(prices),
        "out": out,
    }
    values = gather(settings or [], given)
    training = fit_config(values, fit)
    own: dict[str, Any] = take(values, OWN, CompareConfig.model_fields)
    require(own, "task", "out")
    wanted = listed(own.get("variants"))

    from rich.console import Console

    from domainkit.cli.progress import comparing
    from domainkit.comparison.compare import compare as run
    from domainkit.report.terminal import print_table

    given_paths = ("train", "corpus", "adapter", "context_adapter", "dev")
    paths: dict[str, Any] = {k: Path(own[k]) for k in given_paths if own.get(k)}
    paths |= {k: listed(own.get(k)) or () for k in ("curve", "replicas")}
    with comparing() as on_progress:
        results = run(
            Path(own["task"]), wanted, Path(own["out"]), **paths, fit=training, on_progress=on_progress, **values
        )
    print_table(results, Console())
    typer.echo(f"\nOpen {Path(own['out']) / 'report.html'} in a browser. Figures: {Path(own['out']) / 'results.json'}")


def listed(value: Any) -> Any:
    """Comma-separated names as a list; a run file's list as it is."""
    return [n.strip() for n in value.split(",") if n.strip()] if isinstance(value, str) else value


def fit_config(values: dict[str, Any], asked: bool) -> TrainConfig | None:
    """How to train what is missing: `fit.key=value` settings, or the run file's [fit] table, taken out of `values`."""
    from domainkit.training.config import parse_config

    table = values.pop("fit", {})
    dotted = {k: values.pop(k) for k in list(values) if k.startswith("fit.")}
    given = {**table, **{k.removeprefix("fit."): v for k, v in dotted.items()}}
    if not asked:
        if given:
            raise ConfigError(f"'fit.{next(iter(given))}' is set, but nothing is to be trained", next_step="add --fit")
        return None
    shared = {k: values[k] for k in ("base", "revision", "quantization") if values.get(k)}
    return parse_config(shared | given)
