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
    from domainkit.inference.vllm_command import serve_command

    typer.echo(serve_command(None, adapters))
