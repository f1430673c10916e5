"""domainkit pack: a measured variant in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from domainkit.cli.terminal.output import next_command, record


def pack(
    run: Annotated[Path, typer.Argument(help="Run folder that `domainkit compare --out` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write; an older pack in it is replaced.")],
    variant: Annotated[str | None, typer.Option(help="Another variant than the recommended one.")] = None,
    without_examples: Annotated[
        bool,
        typer.Option("--without-examples", help="Refuse a variant that would put rows of --train into the pack."),
    ] = False,
) -> None:
    """Write all that the recommended variant needs into one folder: adapter, index, passages, examples, prompts,
    verdict, and a hash of each file. Only the base stays outside."""
    from domainkit.visible import visible
    from domainkit.winner.pack import pack as write

    done = write(run, out, variant=variant, with_examples=not without_examples)
    m = done.manifest
    lines = [
        f"{m.variant} in {out}: {len(m.files)} files, {done.bytes / 1e6:,.1f} MB",
        f"  solved examples of the training rows: {m.examples:,}",
        f"  passages of the documents: {m.passages:,}",
        "  test questions: none",
        *(f"  outside: {need}" for need in m.needs),
    ]
    typer.echo("\n".join(map(visible, lines)))
    facts = {"examples": m.examples, "passages": m.passages, "outside": list(m.needs)}
    record(pack=out, variant=m.variant, files=len(m.files), bytes=done.bytes, **facts)
    next_command("ask", "--run", out, "your question", lead="\nNext: ")
    next_command("serve", out, lead="  or: ")
