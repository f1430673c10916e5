"""Words that a line end has divided, whole again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from domainkit.corpus.readers.marked_text import Part

_WORD = re.compile(r"\w+")
_DIVIDED = re.compile(r"\b([^\W\d_]{2,})-[ \n]([^\W\d_]{2,})\b")


def with_whole_words(parts: Sequence[Part]) -> list[Part]:
    """The parts with "declara- tions" as "declarations", where the document has the whole word elsewhere.

    Other hyphens stay: of "short- and long-term" no document has "shortand".
    """
    known = {word.casefold() for part in parts for word in _WORD.findall(part.text)}

    def whole(match: re.Match[str]) -> str:
        word = match[1] + match[2]
        return word if word.casefold() in known else match[0]

    return [replace(part, text=_DIVIDED.sub(whole, part.text)) for part in parts]
