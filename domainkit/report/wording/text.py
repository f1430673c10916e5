"""Untrusted text made safe to look at: what is invisible or reorders its surroundings is spelt out."""

from __future__ import annotations

import re
import unicodedata

# Kept as they are: tab and newline (layout), the zero-width joiners (spelling in Persian, Indic scripts and emoji).
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def _spell(match: re.Match[str]) -> str:
    # By number, not by a picture such as ␛: few fonts have the pictures.
    return f"⟨U+{ord(match[0]):04X}⟩"


def visible(text: object) -> str:
    """`text` with control, bidirectional and invisible characters spelt out (⟨U+202E⟩); tab and newline stay."""
    return _CONTROL.sub(_spell, str(text).replace("\r\n", "\n"))


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
