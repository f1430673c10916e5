"""Spans of a text that may be a value, and what can be seen of each: its words, its shape, what stands beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import groupby
from typing import NamedTuple

from domainkit.evaluation.fields.dates import read_date
from domainkit.evaluation.fields.numbers import read_amount
from domainkit.text.characters import CURRENCIES, UNSPACED
from domainkit.text.words import canonical

_TOKEN = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])\w)+(?:[.,:/@'’+&-](?:(?![{UNSPACED}])\w)+)*|[^\w\s]")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}", re.IGNORECASE)
_CODE = re.compile(r"(?=.*\d)[A-Za-z]{0,6}[-/.#]?[A-Z0-9][A-Z0-9/.-]{2,}")
_OPENING = re.compile(rf"\w|[{CURRENCIES}#@+-]")
_CLOSING = re.compile(rf"\w|[{CURRENCIES}%.)'’]")
LONGEST = 12
"""Tokens of a span."""
MEASURED = ("date", "amount", "number")
"""Kinds of values that are written in many forms."""
EDGE = "∅"
"""Beside the first and the last word."""


class Span(NamedTuple):
    """Part of a text, from token to token."""

    first: int
    """Its first token."""
    end: int
    """The token after its last."""
    text: str


class Tokens:
    """A text cut into words and signs."""

    def __init__(self, text: str) -> None:
        matches = list(_TOKEN.finditer(text))
        self.text = text
        self.words = [m[0] for m in matches]
        self.small = [w.lower() for w in self.words]
        self.plain = [canonical(w) for w in self.words]
        self.starts = [m.start() for m in matches]
        self.ends = [m.end() for m in matches]

    def span(self, i: int, j: int) -> Span:
        return Span(i, j, self.text[self.starts[i] : self.ends[j - 1]])

    @cached_property
    def measured(self) -> list[Span]:
        """The spans that are a date or a number as a whole."""
        spans = (s for s in self.spans(LONGEST) if any(map(str.isdigit, s.text)))
        return [s for s in spans if kind(s.text) in MEASURED]

    def find(self, value: str) -> list[Span]:
        """Where the value stands, word for word."""
        wanted = Tokens(value).plain
        size = len(wanted)
        places = (i for i, word in enumerate(self.plain) if wanted and word == wanted[0])
        return [self.span(i, i + size) for i in places if self.plain[i : i + size] == wanted]

    def spans(self, longest: int) -> Iterator[Span]:
        """Every run of at most `longest` tokens that begins and ends as values do."""
        for i, word in enumerate(self.words):
            if not _OPENING.match(word):
                continue
            for j in range(i + 1, min(i + longest, len(self.words)) + 1):
                if _CLOSING.match(self.words[j - 1]) or j == i + 1:
                    yield self.span(i, j)

    def _word(self, i: int) -> str:
        return self.small[i] if 0 <= i < len(self.small) else EDGE

    def features(self, span: Span, seen: int) -> dict[str, float]:
        """What a classifier sees of a span. `seen`: how often it was a value of the field in other rows."""
        i, j, text = span
        left, left2, right, right2 = self._word(i - 1), self._word(i - 2), self._word(j), self._word(j + 1)
        words = self.words[i:j]
        found = {
            f"left={left}": 1.0,
            f"left2={left2} {left}": 1.0,
            f"left3={self._word(i - 3)} {left2} {left}": 1.0,
            f"right={right}": 1.0,
            f"right2={right} {right2}": 1.0,
            f"between={left}|{right}": 1.0,
            f"shape={shape(text)}": 1.0,
            f"first={shape(words[0])}": 1.0,
            f"last={shape(words[-1])}": 1.0,
            f"edges={shape(self._original(i - 1))}|{shape(self._original(j))}": 1.0,
            f"length={min(j - i, 6)}": 1.0,
            f"kind={kind(text)}": 1.0,
            f"kind={kind(text)} left={left}": 1.0,
            f"place={4 * i // max(len(self.words), 1)}": 1.0,
            f"seen={min(seen, 3)}": 1.0,
        }
        found.update({f"word={word}": 1.0 for word in self.small[i:j]})
        found.update({f"near={word}": 1.0 for word in (*self.small[max(i - 5, 0) : i], *self.small[j : j + 3])})
        found[f"starts={self.small[i]}"] = 1.0
        found[f"ends={self.small[j - 1]}"] = 1.0
        return found

    def _original(self, i: int) -> str:
        return self.words[i] if 0 <= i < len(self.words) else EDGE


@lru_cache(maxsize=20_000)
def shape(text: str) -> str:
    """Xx 9 for "Table 4": capitals, small letters and digits, each run once."""
    signs = ("X" if c.isupper() else "x" if c.isalpha() else "9" if c.isdigit() else c for c in text)
    return "".join(sign for sign, _ in groupby(signs))[:24]


@lru_cache(maxsize=20_000)
def kind(text: str) -> str:
    """What a text is as a whole: a date, an amount with or without a unit, an address, a code, or words."""
    if _EMAIL.fullmatch(text):
        return "email"
    if any(map(str.isdigit, text)):
        if read_date(text):
            return "date"
        amount = read_amount(text)
        if amount is not None:
            return "amount" if amount.unit else "number"
        if _CODE.fullmatch(text):
            return "code"
    return "words"
