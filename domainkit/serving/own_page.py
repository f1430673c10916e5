"""A page that loads nothing: one HTML file with its style and its script, and a policy that allows no others."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from importlib.resources import files

from starlette.responses import HTMLResponse, Response


def own_page(package: str, name: str) -> Response:
    """The page `name` in `package`, the same for everyone. It may run its own script only, and ask its own server
    only."""
    text, policy = _page(package, name)
    return HTMLResponse(
        text,
        headers={
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-cache",
        },
    )


@lru_cache(maxsize=2)
def _page(package: str, name: str) -> tuple[str, str]:
    """The page's text, and a policy with the hashes of its one style and its one script."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    [style] = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
