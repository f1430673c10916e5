"""Untrusted text on one line, cut to a width."""

from __future__ import annotations

import unicodedata

from domainkit.visible import visible


def one_line(text: object) -> str:
    """`visible` with every run of white space as one space."""
    return " ".join(visible(text).split())


def columns(text: str) -> int:
    """Width in terminal columns; East Asian wide characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shorten(text: object, width: int) -> str:
    """One line of at most `width` columns, cut with an ellipsis."""
    # Cut before the costly steps: an answer may be one line of a megabyte.
    line = one_line(str(text)[: 8 * width])
    if columns(line) <= width and len(str(text)) <= 8 * width:
        return line
    start, columns_used = "", 0
    for character in line:
        columns_used += columns(character)
        if columns_used > width - 1:
            break
        start += character
    return start.rstrip() + "…"
