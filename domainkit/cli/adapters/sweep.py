"""domainkit train --sweep: the grid's runs, scored as domainkit compare scores a tuned model, and the table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from domainkit.cli.settings import read_run_file
from domainkit.corpus.example import Example

if TYPE_CHECKING:
    from domainkit.messages import JsonObject


def run_sweep(file: Path, settings: JsonObject, data: Path, out: Path, columns: dict[str, str] | None = None) -> None:
    """Run the sweep that `file` describes on the examples of `data`, and print its table and the winner's command."""
    from rich.console import Console
    from rich.table import Table

    from domainkit.corpus.read_files import read_examples
    from domainkit.corpus.rows.turns import refuse_tools
    from domainkit.storage import locked_folder
    from domainkit.training.sweep import sweep
    from domainkit.training.sweep_grid import parse_grid
    from domainkit.training.sweep_result import retrain, table

    grid = parse_grid(read_run_file(file))
    with locked_folder(out):  # a second run on one folder is refused before it reads anything
        examples = read_examples(data, columns)
        score = _score if grid.choose_by == "score" else None
        if score:
            refuse_tools(examples, 'a sweep that chooses by "score", not by "loss",')
        result = sweep(examples, grid, settings, out, score=score, on_row=lambda row: typer.echo(f"done: {row.name}"))
    heading, *lines = table(result.rows, result.winner)
    grid_table = Table(title=f"{grid.tokens:,} training tokens each; {len(result.dev)} development questions")
    for name in heading:
        grid_table.add_column(name, justify="left" if name in ("", "run") else "right")
    for line in lines:
        grid_table.add_row(*line)
    Console().print(grid_table)
    if result.winner is None:
        typer.echo("No run was completed: the table says why.")
        raise typer.Exit(1)
    typer.echo(f"Best on the development part by {result.chosen_by}: {result.winner.name}")
    typer.echo(f"Adapter: {out / result.winner.folder / 'adapter'}    Figures: {out / 'sweep.json'}")
    typer.echo(f"Retrain on all: {retrain(result, settings, str(data), str(out / 'best'), columns)}")


def _score(adapter: Path, fit: Sequence[Example], dev: Sequence[Example]) -> tuple[float, str]:
    """(primary metric, its name) of the adapter on the development part, by the chain that compare measures."""
    from domainkit.comparison.compare import compare

    out = adapter.parent / "dev"
    task = _write_task(adapter.parent / "dev.jsonl", dev)
    results = compare(task, ["tuned"], out, train=fit, adapter=adapter, latency_items=0, purpose="dev")
    metric = results.task.primary_metric
    [tuned] = [v for v in results.variants if v.name == "tuned"]
    return float(tuned.metrics[metric].value or 0.0), metric


def _write_task(path: Path, examples: Sequence[Example]) -> Path:
    rows = [
        {"id": e.id or f"dev{i}", "messages": e.model_dump(include={"turns"}, exclude_defaults=True)["turns"]}
        for i, e in enumerate(examples)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path
