"""One text, however it is spelt: the key under which inputs, answers and labels count as the same."""

from __future__ import annotations

import re
import unicodedata

# An underscore joins the words of a label (card_arrival) as a space does in a sentence: it is no letter here.
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """The text's words in lower case, NFKC, one space between; a text without words is only stripped."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain)) or plain.strip()
