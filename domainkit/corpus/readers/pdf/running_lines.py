"""Headers and footers: lines at the top or bottom that come back from page to page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

BAND = 3
"""Lines at the top, and at the bottom, that may be a header or footer."""
MIN_PAGES = 3
MIN_SHARE = 0.3
MAX_CHARACTERS = 120
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")


def running_keys(pages: Sequence[str]) -> frozenset[str]:
    """The keys of lines that stand in the band of at least MIN_PAGES pages and MIN_SHARE of all."""
    if len(pages) < MIN_PAGES:
        return frozenset()
    counts = Counter(key for page in pages for key in {line_key(line) for line in _band(page)})
    needed = max(MIN_PAGES, MIN_SHARE * len(pages))
    return frozenset(key for key, count in counts.items() if key and count >= needed)


def line_key(line: str) -> str:
    """What a header's lines have in common: small letters, every number `#`."""
    return " ".join(_NUMBER.sub("#", line.lower()).split())


def without_running_lines(page: str, keys: frozenset[str]) -> tuple[str, int]:
    """The page's text without its headers and footers, and their number."""
    lines = page.split("\n")
    filled = [i for i, line in enumerate(lines) if line.strip()]
    band = {*filled[:BAND], *filled[-BAND:]}
    kept = [line for i, line in enumerate(lines) if i not in band or not is_running(line, keys)]
    return "\n".join(kept), len(lines) - len(kept)


def is_running(line: str, keys: frozenset[str]) -> bool:
    return len(line) <= MAX_CHARACTERS and line_key(line) in keys


def _band(page: str) -> list[str]:
    lines = [line for line in page.split("\n") if line.strip()]
    return [line for line in {*lines[:BAND], *lines[-BAND:]} if len(line) <= MAX_CHARACTERS]
