"""domainkit prefer: an adapter from preferences, or from a reward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.options import EPILOG_PREFER, MAP_HELP, ROWS_HELP, field_help
from domainkit.cli.settings import as_path, read_settings, require, split_names, take_own_options
from domainkit.cli.terminal.output import next_command, record
from domainkit.corpus.rows.columns import parse_columns
from domainkit.errors import ConfigError
from domainkit.training.config import PreferenceConfig, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from domainkit.adapters.folder import Adapter
    from domainkit.messages import JsonObject
    from domainkit.training.objectives import Row


def prefer(
    context: typer.Context,
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN.toml] [KEY=VALUE]...", help=EPILOG_PREFER, show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Rows of prompt, chosen, rejected (dpo); prompt, completion, label (kto); examples as for train "
            f"(grpo, rloo). In {ROWS_HELP}"
        ),
    ] = None,
    columns: Annotated[str | None, typer.Option("--map", help=MAP_HELP)] = None,
    objective: Annotated[str | None, typer.Option(help=field_help(PreferenceConfig, "objective"))] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            help="Adapter to start from, which is also the reference. "
            "Left out: a new adapter, with the base as its reference."
        ),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(
            help="Metric that scores sampled answers against the targets, e.g. token_f1 (grpo, rloo). "
            "metrics=token_f1,exact_match names it first, and what else is measured before and after."
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help=field_help(PreferenceConfig, "base"))] = None,
    method: Annotated[str | None, typer.Option(help=field_help(PreferenceConfig, "method"))] = None,
    out: Annotated[Path | None, typer.Option(help="Adapter folder to write.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted run with the same settings.")
    ] = False,
) -> None:
    """Train an adapter on preferences or a reward, close to its reference (needs domainkit[preference])."""
    # The signature above is the only list of this command's options: `context.params` has their values by name.
    flags = {"map" if n == "columns" else n: v for n, v in context.params.items() if n not in ("settings", "resume")}
    values = read_settings(settings or [], flags)
    own = ("data", "map", "adapter", "reward", "metrics", "out")
    options = take_own_options(values, own, PreferenceConfig.model_fields)
    require(options, "data", "out")
    mapped = parse_columns(options.pop("map", None))
    config = parse_config(values, PreferenceConfig)
    metrics = _metrics(options)

    from domainkit.training.objectives import OBJECTIVES, need_trl

    OBJECTIVES[config.objective]  # raises for an unknown name before anything is read
    need_trl()

    from domainkit.training.optimization.checkpoints import locked_run
    from domainkit.training.preference.train_preference import train_preference

    out, start = as_path("out", options["out"]), options.get("adapter")
    with locked_run(out):  # a second run on one folder is refused before it reads anything
        rows = _read(config.objective, as_path("data", options["data"]), mapped)
        trained = train_preference(
            rows,
            config,
            out,
            reward=next(iter(metrics), None),
            metrics=metrics[1:],
            start=start,
            resume=resume,
            columns=mapped,
        )
    _print_change(trained)


def _metrics(options: JsonObject) -> list[str]:
    """The reward, and what else is measured."""
    named = split_names("metrics", options.get("metrics")) or []
    reward = options.get("reward")
    if named and reward:
        what = f"the reward is named twice: --reward {reward}, and metrics={','.join(named)}"
        raise ConfigError(what, next_step="keep one: the first of metrics= is the reward")
    if repeated := next((n for n in named if named.count(n) > 1), ""):
        raise ConfigError(f"the metric '{repeated}' is named twice", where="metrics", next_step="name each metric once")
    return named or ([reward] if reward else [])


def _read(objective: str, path: Path, columns: dict[str, str] | None) -> Sequence[Row]:
    from domainkit.corpus.preferences import read_marked, read_pairs
    from domainkit.corpus.read_files import read_examples
    from domainkit.training.objectives import OBJECTIVES

    readers: dict[str, Callable[[Path, dict[str, str] | None], Sequence[Row]]] = {
        "pairs": read_pairs,
        "marked": read_marked,
        "examples": read_examples,
    }
    return readers[OBJECTIVES.load(objective).row_kind](path, columns)


def _figure(value: float | None) -> str:
    return "no score" if value is None else f"{value:.3g}"


def _print_change(adapter: Adapter) -> None:
    """Print how the answers changed in training."""
    assert adapter.card is not None
    assert adapter.card.preference is not None
    facts = adapter.card.preference
    typer.echo(f"Adapter: {adapter.folder}")
    names = ("reference", "beta", "reward", "before", "after")
    record(adapter=adapter.folder, **{name: facts[name] for name in names if name in facts})
    typer.echo(f"Reference: {facts['reference']} (β = {facts['beta']:g})")
    before, after = facts["before"], facts["after"]
    if before and after:
        parts = [
            f"KL {after['kl']:.3g} nats per token",
            f"length {before['length']:.1f} → {after['length']:.1f} tokens",
        ]
        if before["reward"] is not None and after["reward"] is not None:
            parts.insert(0, f"{facts['reward']} {before['reward']:.3g} → {after['reward']:.3g}")
        typer.echo(f"{', '.join(parts)}, on answers sampled to {after['prompts']} training prompts")
    for name, value in after.get("metrics", {}).items() if before and after else ():
        typer.echo(f"{name} {_figure(before['metrics'][name])} → {_figure(value)}, on the same answers")
    next_command("ask", "--adapter", adapter.folder, "your question")
