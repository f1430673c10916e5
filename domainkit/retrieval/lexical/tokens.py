"""Texts to the tokens that BM25 counts."""

from __future__ import annotations

import re
from itertools import pairwise

from domainkit.text.characters import MARKS, SIGN, UNSPACED
from domainkit.text.words import canonical, words

_RUN, _SIGN = re.compile(f"([{UNSPACED}]+)"), re.compile(SIGN)
_PART = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*")


def tokenize(text: str) -> list[str]:
    """The words, without stemming or stop words; in scripts without spaces, overlapping pairs of letters.

    A word with signs is there twice, its parts and the whole: "C++" is found by C too, but best by itself.
    """
    tokens: list[str] = []
    for i, piece in enumerate(_RUN.split(canonical(text))):
        if i % 2:
            signs = _SIGN.findall(piece)
            tokens += [a + b for a, b in pairwise(signs)] or signs
            continue
        for word in words(piece):
            parts = _PART.findall(word)
            tokens += parts if parts == [word] else [*parts, word]
    return tokens
