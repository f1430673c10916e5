"""domainkit export: take an adapter, or a merged model, to another engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from domainkit.cli.terminal.output import hint, record
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.models import Quantization


def export(
    adapters: Annotated[
        list[Path],
        typer.Argument(help="Adapter folders of one base; for gguf and ollama also a merged model."),
    ],
    to: Annotated[
        str | None, typer.Option(help="Target: gguf, ollama, vllm, plain-lora, merged or hub.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; for gguf also a file that ends in .gguf.")] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Base of an adapter without a card; for gguf and ollama the GGUF of a base that is none."),
    ] = None,
    quantization: Annotated[
        str | None, typer.Option(help="How a base without a card was held in training: nf4, int8 or none.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Held-out examples: merged must keep the tune on them, gguf and ollama are replayed."),
    ] = None,
    task: Annotated[
        Path | None, typer.Option(help="Test questions: the replay answers them in both engines and compares scores.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Where to replay: node-llama-cpp, a URL of llama-server, or none; left out, what is installed."
        ),
    ] = None,
    repo: Annotated[str | None, typer.Option(help="For hub: OWNER/NAME; it is private when it is made.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="For hub: the comparison whose verdict the model card tells.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="For hub: write the folder and show it, and push nothing.")
    ] = False,
    server: Annotated[bool, typer.Option("--server", help="The same as --to vllm.")] = False,
    plain_lora: Annotated[Path | None, typer.Option(help="The same as --to plain-lora --out FOLDER.")] = None,
) -> None:
    """Take an adapter, or a merged model, to another engine.

    gguf: for llama.cpp, replayed there. ollama: the same with a Modelfile. vllm: the command that serves the base with
    the adapters. plain-lora: PiSSA, OLoRA, AdaLoRA, LoHa, VeRA or MiSS as the same plain LoRA, which servers load.
    merged: a plain model folder. hub: a repository on the Hugging Face hub, with a model card.
    """
    from domainkit.export import EXPORTS

    to, out = _target(to, out, server, plain_lora)
    target = EXPORTS.load(to)

    from domainkit.corpus.read_files import read_examples
    from domainkit.evaluation.read_task import read_task
    from domainkit.export.target import ExportJob

    job = ExportJob(
        tuple(adapters),
        out,
        base=base,
        quantization=_quantization(quantization),
        held_out=read_examples(data) if data is not None else (),
        task=read_task(task) if task is not None else None,
        engine=engine,
        repo=repo,
        run=run,
        dry_run=dry_run,
    )
    done = target(job)
    for line in done.lines:
        hint(line) if line.startswith(("Next: ", "Then: ")) else typer.echo(line)
    record(target=to, path=done.path, lines=done.lines)


def _target(to: str | None, out: Path | None, server: bool, plain_lora: Path | None) -> tuple[str, Path | None]:
    """(name of the target, --out), of which --server and --plain-lora are short forms."""
    given = {"--to": to is not None, "--server": server, "--plain-lora": plain_lora is not None}
    if sum(given.values()) > 1:
        names = " and ".join(name for name, is_given in given.items() if is_given)
        raise ConfigError(f"{names} name different targets", next_step="choose one of them")
    if plain_lora is not None and out is not None:
        raise ConfigError("--plain-lora names the folder already", where="--out", next_step="leave --out out")
    if plain_lora is not None:
        return "plain-lora", plain_lora
    if to is None and not server:
        from domainkit.export import EXPORTS

        raise ConfigError("nothing to export to", next_step=f"give --to with one of: {', '.join(EXPORTS)}")
    return to or "vllm", out


def _quantization(name: str | None) -> Quantization | None:
    if name is not None and name not in ("nf4", "int8", "none"):
        raise ConfigError(f"unknown quantization '{name}'", where="--quantization", next_step="one of: nf4, int8, none")
    return cast("Quantization | None", name)
