"""domainkit export: take adapters to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainkit.errors import ConfigError


def export(
    adapters: Annotated[list[Path], typer.Argument(help="Adapter folders, all of one base.")],
    server: Annotated[
        bool, typer.Option("--server", help="Print the vLLM command that serves the base with these adapters.")
    ] = False,
) -> None:
    """Print the exact command that serves a base and its adapters past one machine."""
    if not server:
        raise ConfigError("nothing to export to", next_step="give --server for the vLLM command")
    from domainkit.adapter import Adapter
    from domainkit.inference.server import serve_command

    cards = [Adapter.load(folder) for folder in adapters]
    bases = {a.card.base for a in cards if a.card}
    if len(bases) > 1:
        raise ConfigError(
            f"the adapters have different bases: {', '.join(sorted(bases))}", next_step="export each base apart"
        )
    typer.echo(serve_command(bases.pop(), [a.folder for a in cards]))
