"""domainkit merge: an adapter into its base, or several adapters into one, with proof on held-out examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import next_command, record
from domainkit.errors import ConfigError

if TYPE_CHECKING:
    from domainkit.corpus.example import Example
    from domainkit.messages import JsonObject


def merge(
    adapters: Annotated[
        list[Path], typer.Argument(help="One adapter folder to merge into its base, or several to combine.")
    ],
    out: Annotated[Path, typer.Option(help="Folder to write: a plain model, or with several adapters an adapter.")],
    data: Annotated[
        Path | None, typer.Option(help="Held-out examples (JSON Lines) on which the merge must keep the tune.")
    ] = None,
    into: Annotated[
        str,
        typer.Option(
            help="Weights to add the difference to: dequantised (those it was trained on), original (16-bit), "
            "or auto, the better of both."
        ),
    ] = "dequantised",
    keep: Annotated[
        float | None,
        typer.Option(help="Least share of the adapter's gain to keep; 0.9, for a combination 0.5.", show_default=False),
    ] = None,
    dtype: Annotated[
        str, typer.Option(help="Number format of the written weights: auto (the base's), float32, bfloat16, float16.")
    ] = "auto",
    weights: Annotated[str | None, typer.Option(help="Of several adapters: their weights, e.g. 0.5,0.5.")] = None,
    combination: Annotated[
        str, typer.Option(help="Of several adapters: linear, cat, svd, ties, dare_linear or dare_ties.")
    ] = "cat",
    density: Annotated[
        float, typer.Option(help="With ties and dare: share of each adapter's weights that is kept.")
    ] = 0.5,
    base: Annotated[str | None, typer.Option(help="Base of adapters without a card.")] = None,
    quantization: Annotated[
        str | None, typer.Option(help="How that base was held in training: nf4, int8 or none.")
    ] = None,
) -> None:
    """Merge an adapter into its base, or combine several, if held-out examples show that the tune survives."""
    if data is None:
        raise ConfigError(
            "held-out examples are missing, so the loss by the merge cannot be measured",
            where="--data",
            next_step="give examples the adapter was not trained on: --data held_out.jsonl",
        )
    if len(adapters) == 1 and weights is not None:
        raise ConfigError("needs several adapters", where="--weights", next_step="name two adapters or more")

    from domainkit.corpus.read_files import read_examples

    held_out = read_examples(data)
    settings: JsonObject = {"base": base, "quantization": quantization} | ({} if keep is None else {"keep": keep})
    if len(adapters) == 1:
        _into_base(adapters[0], out, held_out, {"into": into, "dtype": dtype, **settings})
    else:
        shares = _numbers(weights) if weights else None
        _combine(
            adapters, out, held_out, {"weights": shares, "combination": combination, "density": density, **settings}
        )


def _into_base(adapter: Path, out: Path, held_out: list[Example], options: JsonObject) -> None:
    from domainkit.export.merge import merge as run
    from domainkit.export.merge import merge_lines

    merged = run(adapter, out, held_out, **options)
    for line in merge_lines(merged):
        typer.echo(line)
    record(model=out, card=merged.card)
    next_command("ask", "--base", merged.folder, "your question")


def _combine(adapters: list[Path], out: Path, held_out: list[Example], options: JsonObject) -> None:
    from domainkit.export.combine import combine
    from domainkit.export.target import proof_lines

    combined = combine(adapters, out, held_out, **options)
    for line in proof_lines(combined.proof):
        typer.echo(line)
    for name, nll in combined.parents_nll.items():
        typer.echo(f"  {name}: NLL {nll:.3f}")
    typer.echo(f"\nAdapter: {combined.adapter.folder}")
    record(adapter=combined.adapter.folder, proof=combined.proof, parents_nll=combined.parents_nll)
    next_command("ask", "--adapter", combined.adapter.folder, "your question")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as e:
        raise ConfigError(
            f"'{text}' is not a list of numbers", where="--weights", next_step="write them as 0.5,0.5"
        ) from e
