"""domainkit pack: a measured variant in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    import shlex

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
        "",
        f'  domainkit ask --run {shlex.quote(str(out))} "your question"',
        f"  domainkit serve {shlex.quote(str(out))}",
    ]
    typer.echo("\n".join(map(visible, lines)))
