"""fold: the form in which two spellings of the same text are equal."""

from __future__ import annotations

import re
import unicodedata

# A label's underscores (card_arrival) separate words, as spaces do in a sentence.
_WORD = re.compile(r"[^\W_]+")


def fold(text: str) -> str:
    """The words of `text` after NFKC and case folding, joined by single spaces; a text without words is only stripped.

    Inputs, answers and labels count as the same when their folded forms are equal.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(plain)) or plain.strip()
