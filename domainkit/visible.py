"""Untrusted text made safe to look at: what is invisible or reorders its surroundings is spelt out."""

from __future__ import annotations

import re

# Kept as they are: tab and newline (layout), and what writing needs: joiners, directional marks, soft hyphens, and the
# zero-width space between words of Khmer and Thai.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u180e\u2028-\u202e\u2061-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def _spell(match: re.Match[str]) -> str:
    # By number, not by a picture such as ␛: few fonts have the pictures.
    return f"⟨U+{ord(match[0]):04X}⟩"


def visible(text: object) -> str:
    """`text` with control, bidirectional and invisible characters spelt out (⟨U+202E⟩); tab and newline stay."""
    return _CONTROL.sub(_spell, str(text).replace("\r\n", "\n"))
