"""Where a quote stands in a document, word for word: only white space and typography may differ."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from domainkit.text.characters import DASHES

_PLAIN = {
    **dict.fromkeys("‘’‚‛ʼ′`´", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys(DASHES, "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    "…": "...",
    "•": " ",
    **{c: unicodedata.normalize("NFKC", c) for c in "ﬀﬁﬂﬃﬄﬅﬆ"},
}
_EMPHASIS = re.compile(r"\*+|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)")
"""Of Markdown: a writer copies the words without it."""
_OUTSIDE = "\"' \t\n.,;:!?-*_"
"""What a writer adds or leaves out at both ends of a quote."""


@dataclass(frozen=True, slots=True)
class _Plain:
    """A text in plain typography; `places` are the positions of its characters in the original."""

    text: str
    places: tuple[int, ...]


def find_quote(quote: str, text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """(start, end) in `text` of the first place where the words of `quote` stand, inside text[start:end] if there,
    else anywhere; None where they stand nowhere."""
    wanted = _plain(quote).text.strip(_OUTSIDE)
    if not wanted:
        return None
    plain = _plain(text)
    end = len(text) if end is None else end
    places = []
    at = plain.text.find(wanted)
    while at >= 0:
        if _whole_words(plain.text, at, at + len(wanted)):
            places.append((plain.places[at], _sentence_end(text, plain.places[at + len(wanted) - 1] + 1)))
        at = plain.text.find(wanted, at + 1)
    inside = (place for place in places if start <= place[0] and place[1] <= end)
    return next(inside, places[0] if places else None)


def _sentence_end(text: str, end: int) -> int:
    """With the full stop after the last word, where one follows."""
    return end + 1 if text[end : end + 1] in tuple(".!?。！？") else end


def _whole_words(text: str, start: int, end: int) -> bool:
    """ "art" does not stand in "part"."""
    before = start > 0 and text[start - 1].isalnum() and _divides_words(text[start])
    after = end < len(text) and text[end].isalnum() and _divides_words(text[end - 1])
    return not before and not after


def _divides_words(character: str) -> bool:
    """Whether words of the character's script have spaces between them."""
    return character.isalnum() and not unicodedata.name(character, "").startswith(
        ("CJK", "HIRAGANA", "KATAKANA", "THAI")
    )


@lru_cache(maxsize=256)
def _plain(text: str) -> _Plain:
    emphasis = {i for match in _EMPHASIS.finditer(text) for i in range(*match.span())}
    characters: list[str] = []
    places: list[int] = []
    for i, character in enumerate(text):
        if i in emphasis:
            continue
        for plain in _PLAIN.get(character, character):
            if plain.isspace():
                if characters and characters[-1] != " ":
                    characters.append(" ")
                    places.append(i)
            else:
                characters.append(plain)
                places.append(i)
    return _Plain("".join(characters), tuple(places))
