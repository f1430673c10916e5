"""domainkit train --sweep: the grid's runs, scored as domainkit compare scores a tuned model, and the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from domainkit import progress
from domainkit.cli.settings import read_run_file
from domainkit.cli.terminal.output import record, tell_next
from domainkit.corpus.example import Example
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.messages import JsonObject
    from domainkit.training.sweep.grid import Grid


def run_sweep(
    file: Path,
    settings: JsonObject,
    data: Path,
    out: Path,
    columns: dict[str, str] | None = None,
    scoring: JsonObject | None = None,
) -> None:
    """Run the sweep that `file` describes on the examples of `data`, and print its table and the winner's command.

    `scoring` are metrics and kind in place of the file's.
    """
    from rich.console import Console
    from rich.table import Table

    from domainkit.corpus.read_files import read_examples
    from domainkit.corpus.rows.turns import refuse_tools
    from domainkit.storage import locked_folder
    from domainkit.training.sweep.grid import parse_grid
    from domainkit.training.sweep.result import retrain, table
    from domainkit.training.sweep.sweep import sweep

    grid = parse_grid({**read_run_file(file), **(scoring or {})})
    with locked_folder(out):  # a second run on one folder is refused before it reads anything
        examples = read_examples(data, columns)
        score = partial(_score, grid) if grid.choose_by == "score" else None
        if score is None and grid.scored_by:
            what = f"{grid.scored_by} is given, and the sweep chooses by the loss"
            raise ConfigError(what, where=str(file), next_step='leave it out, or write choose_by = "score"')
        if score:
            _check_metrics(grid, examples)
            refuse_tools(examples, 'a sweep that chooses by "score", not by "loss",')
        result = sweep(examples, grid, settings, out, score=score, on_row=lambda row: progress.say(f"done: {row.name}"))
    heading, *lines = table(result.rows, result.winner)
    grid_table = Table(title=f"{grid.tokens:,} training tokens each; {len(result.dev)} development questions")
    for name in heading:
        grid_table.add_column(name, justify="left" if name in ("", "run") else "right")
    for line in lines:
        grid_table.add_row(*line)
    Console().print(grid_table)
    winner = result.winner
    record(winner=winner and winner.name, chosen_by=result.chosen_by, runs=result.rows, figures=out / "sweep.json")
    if winner is None:
        typer.echo("No run was completed: the table says why.")
        raise typer.Exit(1)
    adapter = out / winner.folder / "adapter"
    record(adapter=adapter)
    typer.echo(f"Best on the development part by {result.chosen_by}: {winner.name}")
    typer.echo(f"Adapter: {adapter}    Figures: {out / 'sweep.json'}")
    tell_next(retrain(result, settings, str(data), str(out / "best"), columns), lead="Next, retrain on all: ")


def _check_metrics(grid: Grid, examples: Sequence[Example]) -> None:
    """Raises before anything is trained for metrics that are unknown, or are not for this kind of task."""
    from domainkit.evaluation.metrics import metric_set
    from domainkit.evaluation.read_task import read_task

    if grid.scored_by:
        metric_set(read_task(_rows_of(examples), kind=grid.kind), grid.metrics or None)


def _score(grid: Grid, adapter: Path, fit: Sequence[Example], dev: Sequence[Example]) -> tuple[float, str]:
    """(primary metric, its name) of the adapter on the development part, by the chain that compare measures."""
    from domainkit.comparison.compare import compare

    out = adapter.parent / "dev"
    task = _write_task(adapter.parent / "dev.jsonl", dev)
    options: JsonObject = {"metrics": grid.metrics or None, "kind": grid.kind, "latency_items": 0, "purpose": "dev"}
    results = compare(task, ["tuned"], out, train=fit, adapter=adapter, **options)
    metric = results.task.primary_metric
    [tuned] = [v for v in results.variants if v.name == "tuned"]
    score = tuned.metrics[metric]
    if score.value is None:
        raise ConfigError(f"no score of the metric '{metric}': {score.reason}", next_step="name another metric first")
    return float(score.value), metric


def _rows_of(examples: Sequence[Example]) -> list[JsonObject]:
    return [
        {
            "id": e.id or f"dev{i}",
            "messages": e.model_dump(mode="json", include={"turns"}, exclude_defaults=True)["turns"],
        }
        for i, e in enumerate(examples)
    ]


def _write_task(path: Path, examples: Sequence[Example]) -> Path:
    rows = _rows_of(examples)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path
