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
    plain_lora: Annotated[
        Path | None,
        typer.Option(help="Write the adapter (PiSSA, OLoRA, AdaLoRA, LoHa, VeRA, MiSS) as the same plain LoRA here."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="With --plain-lora: base of an adapter without a card.")] = None,
) -> None:
    """Take adapters to a server: the exact command that serves them, or an adapter as the plain LoRA that servers load."""
    if plain_lora is not None:
        _convert(adapters, plain_lora, base)
        return
    if not server:
        raise ConfigError(
            "nothing to export to", next_step="give --server for the vLLM command, or --plain-lora FOLDER to convert"
        )
    from domainkit.export.vllm import serve_command

    typer.echo(serve_command(None, adapters))


def _convert(adapters: list[Path], out: Path, base: str | None) -> None:
    if len(adapters) != 1:
        raise ConfigError("takes one adapter at a time", where="--plain-lora", next_step="run it once for each")
    from domainkit.export.plain_lora import to_plain_lora

    made = to_plain_lora(adapters[0], out, base=base, quantization=None if base is None else "none")
    typer.echo(f"Adapter: {made.folder} (plain LoRA, same logits)")
