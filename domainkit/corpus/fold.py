"""One text, however it is spelt: the key under which inputs count as the same."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")


def fold(text: str) -> str:
    """The text's words in lower case, NFKC, one space between; a text without words is only stripped."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain)) or plain.strip()
