"""domainkit methods: the adaptation methods and their defaults, with the source of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import hint, record
from domainkit.registry import Table

if TYPE_CHECKING:
    from domainkit.adapters.adaptation import Adaptation

PRECISIONS = {"none": "16/32-bit", "nf4": "NF4", "int8": "INT8"}

WIDE = 110
"""Columns that the table needs; narrower terminals get paragraphs."""
MORE = "domainkit methods NAME shows a method's options; docs/methods.md what was measured of each."


def methods(
    name: Annotated[
        str | None, typer.Argument(help="One method: all its options. Left out: a table of all methods.")
    ] = None,
) -> None:
    """List the adaptation methods: what each is, its defaults, its learning rate with the source, where it works."""
    from domainkit.adapters.methods import METHODS

    if name is not None:
        _one(name, METHODS)
        return
    names = ("what", "defaults", "learning_rate", "bases")
    record(methods={kind: dict(zip(names, _row(METHODS.load(kind)), strict=True)) for kind in METHODS})
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    console = Console()
    if console.width < WIDE:
        for kind in METHODS:
            what, defaults, rate, works = _row(METHODS.load(kind))
            console.print(f"[bold]{kind}[/bold]  {works}\n{what}\ndefaults: {defaults}\nrate {rate}\n", highlight=False)
        hint(MORE)
        return
    grid = Grid(box=box.SIMPLE_HEAD, show_lines=True, pad_edge=False)
    grid.add_column("Method", no_wrap=True, style="bold")
    for column, ratio in (("What it is", 5), ("Defaults", 3), ("Learning rate", 4)):
        grid.add_column(column, ratio=ratio, overflow="fold")
    grid.add_column("Bases", ratio=1)
    for kind in METHODS:
        grid.add_row(kind, *_row(METHODS.load(kind)))
    console.print(grid)
    hint(MORE)


def _row(config: type[Adaptation]) -> tuple[str, str, str, str]:
    """(what it is, its defaults, its rate and source, precisions), each as text. `config` is a line of METHODS."""
    what = " ".join((config.__doc__ or "").split())
    fields = {n: f.get_default(call_default_factory=True) for n, f in config.model_fields.items() if n != "kind"}
    defaults = [f"{n}={_short(v)}" for n, v in fields.items() if v not in (None, False, (), 0, 0.0)]
    small, source = config.default_learning_rate()
    large, large_source = config.default_learning_rate(10**10)
    rate = f"{small:g}: {source}" if small == large else f"{small:g}: {source}; {large:g} over 1B: {large_source}"
    works = [label for key, label in PRECISIONS.items() if key in getattr(config, "precisions", PRECISIONS)]
    return what, " ".join(defaults) or "none", rate, " ".join(works)


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 24 else f"“{text[:20]}…”"


def _one(name: str, table: Table) -> None:
    from domainkit.cli.options import describe_fields

    config = table.load(name)
    rate, source = config.default_learning_rate()
    typer.echo(f"{name}: {' '.join((config.__doc__ or '').split())}")
    typer.echo(f"  learning rate {rate:g} ({source})")
    options = describe_fields(config, ("kind",)).split("\n\n")
    record(method=name, learning_rate=rate, source=source, options=options)
    for line in options:
        typer.echo(f"  method.{line}")
