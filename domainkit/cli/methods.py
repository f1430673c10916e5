"""domainkit methods: the adaptation methods and their defaults, with the source of each."""

from __future__ import annotations

import typer


def methods() -> None:
    """List the adaptation methods with their options, defaults and where these come from."""
    from domainkit.cli.options import describe_fields
    from domainkit.training.methods import METHODS

    for name in METHODS:
        config = METHODS.load(name)
        rate, source = config.default_learning_rate()
        typer.echo(f"{name}: {' '.join((config.__doc__ or '').split())}")
        typer.echo(f"  learning rate {rate:g} ({source})")
        for line in describe_fields(config, ("kind",)).split("\n\n"):
            typer.echo(f"  method.{line}")
