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
        how = f"server:{transport.root}#NAME"
        refuse_unlisted(transport, name, names, f"{role} server:{transport.root}", how)
    except ConfigError:
        raise
    except (DomainkitError, *ODD_SHAPE):
        return
    finally:
        transport.close()


def refuse_unlisted(transport: Transport, name: str, names: Collection[str], where: str, how: str) -> None:
    """Raises ConfigError where `name` is none of `names`, which the server lists, and it loads no others on demand;
    `how` is how one of them is named."""
    if not names or name in names or f"{name}{_SAME}" in names or _loads_on_demand(transport):
        return
    shown = ", ".join(each[:LETTERS] for each in list(names)[:SHOWN])
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    what = f"the server has no model '{name[:LETTERS]}'; it has {shown}{more}"
    raise ConfigError(what, where=where, next_step=f"write {how} with one of these")


def _loads_on_demand(transport: Transport) -> bool:
    """`transformers serve` loads whatever is asked for, and lists what lies in the cache of the hub."""
    try:
        described = transport.read("GET", "/openapi.json", timeout=PATIENCE)
        paths = described.get("paths") if isinstance(described, dict) else None
        return isinstance(paths, dict) and "/load_model" in paths
    except (DomainkitError, *ODD_SHAPE):
        return False
