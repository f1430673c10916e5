"""domainkit export: take adapters to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainkit.errors import ConfigError


def export(
    adapters: Annotated[list[Path], typer.Argument(help="Adapter folders, all of one base.")],
    to: Annotated[str | None, typer.Option(help="Target: vllm (its command), plain-lora or merged (a folder).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write, for targets that write one.")] = None,
    server: Annotated[
        bool, typer.Option("--server", help="Print the vLLM command that serves the base with these adapters.")
    ] = False,
    plain_lora: Annotated[
        Path | None,
        typer.Option(help="Write the adapter (PiSSA, OLoRA, AdaLoRA, LoHa, VeRA, MiSS) as the same plain LoRA here."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base of an adapter without a card.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="With --to merged: held-out examples on which the merge must keep the tune.")
    ] = None,
) -> None:
    """Take adapters to a server: the command that serves them, or an adapter as a plain LoRA that servers load."""
    targets = {"--to": to is not None, "--server": server, "--plain-lora": plain_lora is not None}
    if sum(targets.values()) > 1:
        names = " and ".join(name for name, given in targets.items() if given)
        raise ConfigError(f"{names} name different targets", next_step="choose one of them")
    if plain_lora is not None and out is not None:
        raise ConfigError("--plain-lora names the folder already", where="--out", next_step="leave --out out")
    if plain_lora is not None:
        to, out = "plain-lora", plain_lora
    elif server:
        to = "vllm"
    if to is None:
        raise ConfigError(
            "nothing to export to", next_step="give --server for the vLLM command, or --plain-lora FOLDER to convert"
        )
    from domainkit.export import EXPORTS

    target = EXPORTS.load(to)

    from domainkit.corpus.read_files import read_examples
    from domainkit.export.target import ExportJob

    held_out = read_examples(data) if data is not None else ()
    job = ExportJob(tuple(adapters), out, base=base, held_out=held_out)
    for line in target(job).lines:
        typer.echo(line)
