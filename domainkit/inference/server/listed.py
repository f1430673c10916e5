"""Whether a server has the model that is asked for, by its own list."""

from __future__ import annotations

import os
from collections.abc import Collection

from domainkit.errors import ConfigError, DomainkitError
from domainkit.inference.server.transport import KEY_VARIABLE, Transport
from domainkit.inference.server.wire import ODD_SHAPE

PATIENCE = 10.0
"""Seconds for the list."""
SHOWN = 8
"""Names in an error."""
LETTERS = 80
"""Of each of them."""
_SAME = ":latest"
"""Ollama lists a model with its tag, and answers to the name without it."""


def check_listed(url: str, name: str, role: str) -> None:
    """Raises ConfigError where the server at `url` lists its models and `name` is not among them.

    A server that does not answer now, or lists nothing, is asked nothing more: its first question says why.
    """
    transport = Transport(url, os.environ.get(KEY_VARIABLE) or None, timeout=PATIENCE, max_retries=0, connections=1)
    try:
        reply = transport.send("GET", "/v1/models")
        names = [str(line["id"]) for line in reply.get("data") or []]
    except (DomainkitError, *ODD_SHAPE):
        return
    finally:
        transport.close()
    if names and not is_listed(name, names):
        raise not_listed(name, names, f"{role} server:{transport.root}", f"server:{transport.root}#NAME")


def is_listed(name: str, names: Collection[str]) -> bool:
    return name in names or f"{name}{_SAME}" in names


def not_listed(name: str, names: Collection[str], where: str, how: str) -> ConfigError:
    """The error with what is there; `how` is how one of it is named."""
    shown = ", ".join(each[:LETTERS] for each in list(names)[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ConfigError(
        f"the server has no model '{name[:LETTERS]}'; it has {shown}{more}",
        where=where,
        next_step=f"write {how} with one of these",
    )
