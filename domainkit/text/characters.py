"""Classes of characters, made from Python's Unicode data. Each is the inside of a regular expression's [...]."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# The blocks with marks, symbols, punctuation and format characters; the others hold letters only.
_BLOCKS = (*range(0x3400), *range(0x4DC0, 0x4E00), *range(0xA490, 0xAC00), *range(0xF900, 0x12000))
_BLOCKS += (*range(0x16A00, 0x17000), *range(0x18CF0, 0x20000), *range(0xE0000, 0xE0200))
_CATEGORIES = {point: unicodedata.category(chr(point)) for point in _BLOCKS}

# Scripts without space between words, and Korean, whose spaces divide phrases and are often left out. The data has no
# property for them; their letters' names begin so.
_UNSPACED_SCRIPTS = (
    *("AHOM", "BALINESE", "BOPOMOFO", "HALFWIDTH HANGUL", "HALFWIDTH KATAKANA", "HANGUL", "HENTAIGANA", "HIRAGANA"),
    *("JAVANESE", "KATAKANA", "KHMER", "LAO", "MYANMAR", "NEW TAI LUE", "TAI", "THAI"),
)
_CHINESE_AND_KOREAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
_SENTENCE_ENDS = re.compile(r"(?<!INVERTED )(FULL STOP|QUESTION MARK|EXCLAMATION MARK|INTERROBANG)|DANDA$|SHAD$")
_SCRIPT_SENTENCE_ENDS = "\u104a\u104b\u17d4\u17d5"
"""Of Myanmar and Khmer, whose names do not say it."""


def _class(points: Iterable[int]) -> str:
    """Ascending code points as ranges."""
    ranges: list[list[int]] = []
    for point in points:
        if ranges and point == ranges[-1][1] + 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(re.escape(chr(a)) + (f"-{re.escape(chr(b))}" if b > a else "") for a, b in ranges)


def _is_ignorable(point: int, category: str) -> bool:
    """Whether the character is encoding, layout or a reading aid: texts that differ in it are the same text."""
    if category == "Cf":
        return not 0xE0020 <= point <= 0xE007F  # tags tell the flags of regions apart
    name = unicodedata.name(chr(point), "") if category in ("Mn", "Lm") else ""
    if category == "Mn" and name.startswith(("ARABIC", "HEBREW")):
        return "HAMZA" not in name and "MADDAH" not in name  # vowel points are optional, these two are spelling
    return "VARIATION SELECTOR" in name or name in ("ARABIC TATWEEL", "COMBINING GRAPHEME JOINER")


IGNORABLE = frozenset(chr(p) for p, category in _CATEGORIES.items() if _is_ignorable(p, category))
"""Characters that do not count: joiners, direction marks, variation selectors, tatweel, Arabic and Hebrew points."""
DASHES = frozenset(chr(p) for p, category in _CATEGORIES.items() if category == "Pd") | {"\u2212"}
MARKS = _class(p for p, category in _CATEGORIES.items() if category[0] == "M" and chr(p) not in IGNORABLE)
"""Combining marks: a letter is a letter with the marks after it. Many of them are vowels."""
CURRENCIES = _class(p for p, category in _CATEGORIES.items() if category == "Sc")
SYMBOLS = "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010fffd" + _class(
    p
    for p, category in _CATEGORIES.items()
    if p > 0x7F and (category in ("Sm", "Sc", "So") or 0x1F3FB <= p <= 0x1F3FF or 0x2032 <= p <= 0x2037)
)
"""Signs that mean something by themselves: of mathematics, currencies, emoji and their skin tones, primes, private use.
Not those of ASCII, which are punctuation too."""
_ENDS = {p: unicodedata.name(chr(p)) for p, category in _CATEGORIES.items() if category == "Po"}
_ENDS = {p: name for p, name in _ENDS.items() if _SENTENCE_ENDS.search(name)}
SENTENCE_ENDS = _SCRIPT_SENTENCE_ENDS + _class(p for p in _ENDS if p > 0x7F)
"""Full stops, question and exclamation marks of all scripts but ASCII's own."""
QUESTION_MARKS = _class(p for p, name in _ENDS.items() if "QUESTION" in name)
UNSPACED = _CHINESE_AND_KOREAN + _class(
    p
    for p, category in _CATEGORIES.items()
    if category[0] in "LM" and unicodedata.name(chr(p), "").startswith(_UNSPACED_SCRIPTS)
)
"""Letters and marks of these scripts; a letter stands for a word there."""
STACKERS = "\u1039\u17d2\u1a60\u1b44\ua9c0\U0001172b"
"""Marks of these scripts that put the next letter under the one before: both are one sign."""
SIGN = rf"[{UNSPACED}](?:[{MARKS}]|(?<=[{STACKERS}])[{UNSPACED}])*"
"""The regular expression of a letter of a script without spaces, with its marks."""

del _BLOCKS, _CATEGORIES, _ENDS  # eight megabytes that every command would keep
