"""The address of a server, as an option: one that holds no secret, since options are written into results."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from domainkit.errors import ConfigError

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?(#\S+)?")


def _plain(url: str) -> str:
    if not _URL.fullmatch(url):
        # Its text is not repeated: it may hold a key.
        raise ConfigError(
            "is not the plain address of a server",
            where="server",
            next_step="write http://HOST:PORT, or http://HOST:PORT#NAME where the server has several bases; a key "
            "belongs in DOMAINKIT_SERVER_KEY",
        )
    return url


ServerURL = Annotated[str, AfterValidator(_plain)]
"""http://HOST:PORT, and maybe #NAME, the base's name there."""
