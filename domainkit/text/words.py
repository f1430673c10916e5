"""The one form in which texts are compared: scoring, labels, leakage, retrieval and splitting all read it.

Two spellings of a text have the same words: composed or decomposed, in full width, with other quotes, dashes, digits or
full stops, in another case. Two texts that differ in a digit, a sign, an operator or a currency do not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from domainkit.text.characters import CURRENCIES, DASHES, IGNORABLE, MARKS, SIGN, SYMBOLS, UNSPACED

_LETTER = rf"[^\W_{UNSPACED}]"
_BODY = rf"(?:{_LETTER}|[{MARKS}])"
_MONEY = f"[{CURRENCIES}]"
# Something that one computes with: a number or a single letter, behind or before an operator.
_LEFT, _RIGHT = r"(?<=(?:[\d%]|(?<![^\W_])[a-zα-ω]))", rf"(?={_MONEY}?\.?\d|[a-zα-ω](?![^\W_]))"
_LEFT_SPACED, _RIGHT_SPACED = rf"{_LEFT[:-1]}[ ])", rf"(?=[ ]{_RIGHT})"

_TOKEN = re.compile(
    rf"""
    (?![ ,;:()"'?_@]) (?:        # the commonest characters and words first: this is for speed alone
    [a-z]{{2,}}(?![\w+\#%{MARKS}])
    | (?:
        (?: (?<![^\W_{UNSPACED}]) (?<!\)) [-+~] (?={_MONEY}?\d|(?<=-)[xyz](?![^\W_])) )?      # -5, -x
        (?: (?<![\w.)]) \. (?={_LETTER}) | (?<![^\s(\[{{&|=]) ! (?=[^\W\d_]) )?              # .NET, !x
        {_MONEY}? {_LETTER} {_BODY}*
        (?: (?: (?<=\d)[.,:/'~-](?=\d) | (?<=\de)[-+](?=\d) ) {_BODY}+ )*                    # 3.5, 3-5, 1e-5
        (?: \+\+ | (?<=[^\W\d_])\#(?![\w\#]) | \+(?![\w+]) | % | (?<=(?<![^\W_])[a-z])-(?![\w-]) )?  # C++, C#, A-, 5%
    )
    | {SIGN}
    | [<>]{{1,3}}=? | (?<!=)={{1,3}}>?(?!=) | !={{1,2}} | ->  | \+ | && | \|\| | \^ | %
    | (?<=(?<![^\W_])[xyz])-(?=\d) | {_LEFT}(?:\*{{1,2}}|/){_RIGHT} | {_LEFT_SPACED}(?:\*{{1,2}}|[-/]){_RIGHT_SPACED}
    | {_MONEY} | [{SYMBOLS}][\U000e0020-\U000e007f]*
    )
    """,
    re.VERBOSE,
)
# Text of which nothing but commas, apostrophes in words and the mark at its end is left out: this is for speed alone.
_PLAIN = re.compile(r"[a-z0-9]++(?:(?: |, |(?<=[a-z])'(?=[a-z]))[a-z0-9]++)*+[.?!]?")
_JOINING = re.compile(rf"(?:{_LETTER}|[{MARKS}]){_LETTER}")
_BETWEEN_NUMBERS = re.compile(r"(?<=\d)([-/~])(?=\d)")
_NUMBER = re.compile(r"(?P<sign>[-+~]?)(?P<rest>\d.*)")
_CURRENCIES = frozenset(chr(p) for p in range(0x24, 0x20C1) if unicodedata.category(chr(p)) == "Sc")
_UNITS = _CURRENCIES | {"%"}
_ARTICLES = frozenset(("a", "an", "the"))

# What NFKC would join to its neighbours: a power (10² is not 102), an index, a fraction (1½ is not 11/2).
_POWERS = re.compile("[⁺⁻⁰¹²³⁴-⁹]+")
_INDEX = re.compile(r"(?<=\d)(?=[₀-₉])")
_NUMERALS = re.compile(r"(?<=\w)(?=[¼-¾⅐-⅟↉①-⒛⓪-⓿])|(?<=[¼-¾⅐-⅟↉①-⒛⓪-⓿])(?=\w)")
# Units are also written m2 and cm3, where x² is never x2.
_AREAS = re.compile(r"(?<![^\W_\d])((?:[kcdmnμ]?m|ft|in|yd|mi|s)) ?\^ ?([23])(?!\w)")
# Formulas of TeX: the marks of $5$ are no dollars, those of "$5 or $6" are.
_MATH = re.compile(r"\$\$?(?=[^\s$])([^$]*[^$\s])\$\$?(?!\d)")
# Digits in groups: 1 000 with a space that does not break; 1,000 and 1,00,000; 1'000.
_SPACED_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:[\u00a0\u2007\u2009\u202f]\d{3})+(?!\d)")
_GROUPS = re.compile(r"(?<![\d.,'])\d{1,3}(?:(?:,\d{2,3})*,\d{3}(?![\d,])|(?:'\d{3})+(?![\d']))")
# The start of a later line of a quotation or a list in Markdown: no operator, since a word of two letters follows.
_LINE_STARTS = re.compile(r"(?<=\n)[ \t]*[>+][ \t]*(?=[^\W\d_]{2})")
_SPELLINGS = {
    **dict.fromkeys(map(ord, IGNORABLE)),
    **{ord(c): "-" for c in DASHES},
    **dict.fromkeys(map(ord, "—―⸺⸻"), " "),
    **dict.fromkeys(map(ord, "´`ʹʻʼ‘’‛"), "'"),
    **{ord(a): b for a, b in (("≤", "<="), ("≥", ">="), ("≦", "<="), ("≧", ">="), ("≠", "!="), ("⁄", "/"), ("∕", "/"))},
    **{ord(a): b for a, b in (("∗", "*"), ("∼", "~"), ("〜", "~"), ("٪", "%"), ("٫", "."), ("٬", ","))},
    # One letter, typed on an Arabic or a Persian keyboard.
    **{ord(a): b for a, b in (("ک", "ك"), ("ی", "ي"))},
}
# A range, as Chinese writes it.
_RANGES = re.compile(r"(?<=\d)[—―](?=\d)")


def canonical(text: str) -> str:
    """`text` in the one spelling of its characters: lower case, compatibility forms, digits and dashes of ASCII, single
    spaces. Nothing that is visible is left out."""
    text = unicodedata.normalize("NFC", text)
    if "\n" in text:
        text = _LINE_STARTS.sub("", text)
    if text.isascii():
        return _numbers(" ".join(text.lower().split()))
    while (plain := _respelt(text)) != text:
        text = plain
    return _numbers(text)


def _respelt(text: str) -> str:
    text = _RANGES.sub("-", text.replace("เเ", "แ"))  # the second is how the first looks
    text = _SPACED_GROUPS.sub(lambda m: "".join(c for c in m[0] if c.isdecimal()), text)
    text = _POWERS.sub(lambda m: f"^{m[0]}", text)
    text = _NUMERALS.sub(" ", _INDEX.sub(" ", text)).translate(_SPELLINGS)
    # Unicode's form for comparing without case: NFKC_Casefold.
    text = unicodedata.normalize("NFD", text).casefold()
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(_SPELLINGS)
    digits = {ord(c): str(unicodedata.decimal(c)) for c in set(text) if not c.isascii() and c.isdecimal()}
    text = text.translate(digits).replace("i\u0307", "i")
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _numbers(text: str) -> str:
    """1,000 as 1000, .5 as 0.5, m² as m2, 3 - 5 and 3~5 as 3-5."""
    # Each pattern has a character that most texts lack: looking for that is much faster.
    if "," in text or "'" in text:
        text = _GROUPS.sub(lambda m: re.sub("[,']", "", m[0]), text)
    if "^" in text:
        text = _AREAS.sub(r"\1\2", text)
    if " - " in text or " / " in text or " ~ " in text:
        text = re.sub(r"(?<=\d) ([-/~]) (?=\d)", r"\1", text)
    if "~" in text:
        text = re.sub(r"(?<=\d)~(?=\d)", "-", text)  # a range, as Japanese and Korean write it
    if "$" in text:
        text = _MATH.sub(r"\1", text)
    return re.sub(r"(?<![\w.)])\.(?=\d)", "0.", text) if "." in text else text


def words(text: str) -> list[str]:
    """The words of `text`, and of scripts without spaces the letters with their marks. Punctuation is left out where it
    only divides; signs, operators, symbols and emoji are words. 1990-2000 is three: each year is found in it."""
    found = _trimmed(_TOKEN.findall(canonical(text)))
    return [part for word in found for part in (_BETWEEN_NUMBERS.split(word) if word[-1].isdigit() else (word,))]


def _trimmed(found: list[str]) -> list[str]:
    """Without the mark of a quotation or a list at the start; 5 % as 5%, $ 5 as $5, and 5 € as €5."""
    if found[:1] in ([">"], ["+"]) and found[1:] and found[1][:2].isalpha() and len(found[1]) > 1:
        found = found[1:]
    if not _UNITS.intersection(found):
        return found
    joined: list[str] = []
    for word in found:
        before = joined[-1] if joined else ""
        number, unit = (word, before) if before in _CURRENCIES else (before, word)
        match = _NUMBER.fullmatch(number) if unit in _UNITS else None
        if match:
            joined[-1] = f"{number}%" if unit == "%" else f"{match['sign']}{unit}{match['rest']}"
        else:
            joined.append(word)
    return joined


def fold(text: str) -> str:
    """The words of `text`, joined by single spaces; a text without words is only stripped.

    Inputs, answers and labels count as the same when their folded forms are equal.
    """
    plain = text.lower()
    if _PLAIN.fullmatch(plain):
        return plain.rstrip(".?!").replace(",", "").replace("'", " ")
    return " ".join(words(text)) or canonical(text)


def contains(text: str, part: str) -> bool:
    """Whether the words of `part` stand in `text`, in a row; both are folded."""
    return bool(part) and f" {part} " in f" {text} "


def answer_words(text: str) -> list[str]:
    """The words that answers are scored by: SQuAD's normalisation (Rajpurkar et al. 2016, evaluate-v1.1.py) for all
    scripts. Punctuation inside a word vanishes, and so do the articles a, an, the, unless nothing else is left."""
    plain = canonical(text)
    found = _trimmed(list(_joined(plain)))
    kept = [word for i, word in enumerate(found) if word not in _ARTICLES or _is_variable(found, i)]
    return kept or found or ([plain] if plain else [])


def _joined(plain: str) -> Iterator[str]:
    """The words, those that only punctuation divides as one: "don't" is "dont", "U.S." is "us"."""
    word, end = "", 0
    for match in _TOKEN.finditer(plain):
        between = plain[end : match.start()]
        glued = word and between and " " not in between and _can_join(word[-1], match[0][0])
        if word and not glued:
            yield word
        word = word + match[0] if glued else match[0]
        end = match.end()
    if word:
        yield word


def _can_join(left: str, right: str) -> bool:
    return bool(_JOINING.fullmatch(left + right)) and not (left.isdigit() and right.isdigit())


def _is_variable(found: list[str], i: int) -> bool:
    """Whether the word stands beside an operator, as "a" in "a + b"."""
    return any(not any(c.isalnum() for c in other) for other in (*found[max(i - 1, 0) : i], *found[i + 1 : i + 2]))
