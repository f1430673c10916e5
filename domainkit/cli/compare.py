"""domainkit compare: every variant on the same questions, and the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domainkit.cli.options import EPILOG_COMPARE
from domainkit.cli.settings import gather, require, take

OWN = ("task", "train", "corpus", "adapter", "variants", "out")


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
    variants: Annotated[str | None, typer.Option(help="Comma-separated names; left out, all that can run.")] = None,
    base: Annotated[str | None, typer.Option(help="Base model; left out, the adapter's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; an interrupted run continues in it.")] = None,
) -> None:
    """Compare prompting, retrieval, fine-tuning and their combination on the same questions, and write the report."""
    from domainkit.evaluation.config import CompareConfig

    given = {
        "task": task,
        "train": train,
        "corpus": corpus,
        "adapter": adapter,
        "variants": variants,
        "base": base,
        "out": out,
    }
    values = gather(settings or [], given)
    own: dict[str, Any] = take(values, OWN, CompareConfig.model_fields)
    require(own, "task", "out")
    names = own.get("variants")
    wanted = [n.strip() for n in names.split(",") if n.strip()] if isinstance(names, str) else names

    from rich.console import Console

    from domainkit.cli.progress import comparing
    from domainkit.evaluation.compare import compare as run
    from domainkit.report.terminal import print_table

    paths = {k: Path(own[k]) for k in ("train", "corpus", "adapter") if own.get(k)}
    with comparing() as on_progress:
        results = run(Path(own["task"]), wanted, Path(own["out"]), **paths, on_progress=on_progress, **values)
    print_table(results, Console())
    typer.echo(f"\nOpen {Path(own['out']) / 'report.html'} in a browser. Figures: {Path(own['out']) / 'results.json'}")
