"""Personal data in a text: where it is, of which kind, how sure; and the text without it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from domainkit.clinic.personal_data.kinds import KINDS, OTHER_NUMBER, SURE_BY_WORD, Kind
from domainkit.text.characters import DASHES

_BEFORE, _AFTER = 40, 25
"""Characters before and after a match in which a word may name it."""
_DIVIDERS = re.compile(r"[ ./()-]")
_SENTENCE = re.compile(r"[\n;!?]|(?<=[^\W\d_]{5})\. ")
_MAY_HOLD = re.compile(r"\d{2}|\d\.\d|@|\(at\)|\[at\]|::", re.IGNORECASE)


class Found(NamedTuple):
    """One value; `start` and `end` are positions in the text."""

    kind: str
    start: int
    end: int
    sure: float
    masked: str
    """What a message may show of it: its kind can be recognised, the value cannot be used."""


def find_personal_data(text: str) -> list[Found]:
    """Every value in order of place; where two overlap, the surer. Names and postal addresses of people are not looked
    for: they have no form that a program could tell from other words."""
    if not text.isascii():
        text = _one_form(text)
    if not _MAY_HOLD.search(text):
        return []
    found = [f for kind in KINDS for f in _of_kind(kind, text)]
    kept: list[Found] = []
    for one in sorted(found, key=lambda f: (-f.sure, f.start - f.end, f.start)):
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda f: f.start)


def without_personal_data(text: str, kinds: frozenset[str] | None = None) -> str:
    """`text` with a placeholder such as [EMAIL] for each value of `kinds`, of all kinds where there are none."""
    parts, end = [], 0
    for found in find_personal_data(text):
        if kinds is None or found.kind in kinds:
            parts += [text[end : found.start], placeholder(found.kind)]
            end = found.end
    return "".join([*parts, text[end:]])


def placeholder(kind: str) -> str:
    """What stands in place of a value."""
    return f"[{kind.upper().replace(' ', '_')}]"


def _of_kind(kind: Kind, text: str) -> list[Found]:
    found = []
    for match in kind.form.finditer(text):
        value = match[0] if kind.whole else _DIVIDERS.sub("", match[0]).upper()
        if not kind.check(value):
            continue
        before, after = _around(text, match.start(), match.end())
        named = kind.words is not None and (kind.words.search(before) or kind.words.search(after)) is not None
        if not named and not kind.whole and OTHER_NUMBER.search(before):
            continue
        sure = max(kind.sure, SURE_BY_WORD) if named else kind.sure
        if sure:
            found.append(Found(kind.name, match.start(), match.end(), sure, _masked(kind.name, match[0])))
    return found


def _around(text: str, start: int, end: int) -> tuple[str, str]:
    """The sentence's part before `start`, and after `end`."""
    before = _SENTENCE.split(text[max(0, start - _BEFORE) : start])[-1]
    return before, _SENTENCE.split(text[end : end + _AFTER])[0]


def _masked(kind: str, value: str) -> str:
    if kind == "email":
        return f"{value[0]}…@…{value[-2:]}"
    return f"{value[:2] if kind == 'iban' else ''}…{value[-2:]}"


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if character in DASHES:
        return "-"
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) == "Zs":
        return " "
    wide = unicodedata.normalize("NFKC", character)
    return wide if len(wide) == 1 and wide.isascii() else character


def _one_form(text: str) -> str:
    """Digits, dashes and spaces of all scripts as ASCII's; each character stays in its place."""
    return "".join(c if c.isascii() else _plain(c) for c in text)
