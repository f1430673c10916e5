"""domainkit serve: adapters, winners and a base behind one OpenAI-compatible port."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domainkit.cli.terminal.output import hint, is_quiet, refuse_json
from domainkit.errors import ConfigError
from domainkit.visible import visible

if TYPE_CHECKING:
    from domainkit.monitoring.watch import Watch
    from domainkit.serving.models import Models
    from domainkit.serving.sources import Sources

KEY_VARIABLE = "DOMAINKIT_SERVER_KEY"


def serve(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Adapter folders, run folders and packs; RUN#VARIANT is another than the winner."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base of adapters without a card, or to serve alone.")] = None,
    adapters: Annotated[
        Path | None, typer.Option(help="Folder from which clients may load adapters at run time; else they cannot.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; by default this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Key that clients must send; may be repeated. Better in ${KEY_VARIABLE}: others see options."
        ),
    ] = None,
    requests: Annotated[int, typer.Option(help="Most requests that run or wait at once; others get 429.")] = 256,
    seconds: Annotated[float, typer.Option(help="Most seconds for one request.")] = 600.0,
    prompt_tokens: Annotated[
        int | None, typer.Option(help="Longest prompt of base and adapters in tokens; left out, what the base reads.")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option(help="Folder in which to count what a run's winner is asked: domainkit watch FOLDER.")
    ] = None,
) -> None:
    """Serve models with OpenAI's API: chat, tools, JSON schemas, streams, embeddings. Stop it with Ctrl-C."""
    refuse_json("a server runs until Ctrl-C, and has no result to write")
    for name, value in {"--requests": requests, "--seconds": seconds, "--prompt-tokens": prompt_tokens}.items():
        if value is not None and value <= 0:
            raise ConfigError(f"{value:g} allows nothing", where=name, next_step="give a number above 0")
    from domainkit.serving.app import make_app
    from domainkit.serving.guards.limits import Limits
    from domainkit.serving.run import is_loopback, log_to_stderr
    from domainkit.serving.run import serve as run
    from domainkit.serving.sources import make_models, read_sources
    from domainkit.serving.state import State

    found = read_sources(sources or [], base)
    models = make_models(found, loadable=adapters, prompt_limit=prompt_tokens)
    limits = Limits(requests=requests, seconds=seconds, prompt_tokens=prompt_tokens)
    state = State(models, limits, observer=None if watch is None else _observer(found, watch))
    keys = [key for key in (*(api_key or ()), os.environ.get(KEY_VARIABLE, "")) if key]
    local = is_loopback(host)
    if not local:
        _warn(host, keys)
    if not is_quiet():
        log_to_stderr()
    app = make_app(state, keys=keys, loopback=local)
    run(app, state, host=host, port=port, on_ready=lambda bound: _ready(models, host, bound))


def _observer(sources: Sources, folder: Path) -> Watch:
    """Counts what the only winner is asked. A pack holds no questions: its folder must have been begun with the run."""
    from domainkit.adapters.folder import split_task
    from domainkit.monitoring.watch import watch
    from domainkit.winner.source import open_source

    if len(sources.winners) != 1:
        what = f"watches the winner of one run or pack, and {len(sources.winners)} are served"
        raise ConfigError(what, where="--watch", next_step="name one run or pack, or leave --watch out")
    run, variant = split_task(str(sources.winners[0]))
    packed = open_source(run).manifest is not None
    return watch(folder, None if packed else run, variant=variant)


def _warn(host: str, keys: list[str]) -> None:
    who = "whoever has the key" if keys else "everyone, since no --api-key is given"
    typer.echo(f"warning: {host} is reachable from other machines, by {who}; the connection is not encrypted", err=True)


def _ready(models: Models, host: str, port: int) -> None:
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    names = [model.id for model in models.all()]
    typer.echo(f"ready: {address}/v1 serves {visible(', '.join(names))}")
    hint(f"Next: open {address} in a browser, or curl {address}/v1/models")
