"""Which language a text is in, by its script and its commonest words. No model; short texts may stay unknown.

Two questions need two degrees of certainty. A filter that has a text to compare with asks `is_other_language`; a
look at rows that nobody has read asks `guess_language`, which rather says nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from domainkit.text.function_words import FUNCTION_WORDS
from domainkit.text.words import words

LEAST_HITS = 3
"""Different function words that a text must have before they say something: "in" and "van" are in many languages."""
_FEWER = 0.6
"""Function words of the original's language that a text in another one may have, for each of its own. At 2/3 twice as
many texts of Catalan, which is not listed, count as another language than their neighbours; 1/2 finds no fewer of
those."""
_LETTERS = 3000
"""Characters of a text that are looked at for its script."""
_LEAST_LETTERS, _LEAST_SIGNS = 4, 8
"""Fewer letters say nothing; fewer Chinese signs without kana may be a Japanese compound."""
_MOST = 0.6
"""Share of the letters in one script, below which a text has none."""
_EAST_ASIAN = ("HIRAGANA", "KATAKANA", "CJK")
_KANA = 0.05
"""Japanese has kana between its Chinese signs."""
_BY_WORDS = ("LATIN", "CYRILLIC")
"""Scripts of many languages; a guess in another one is its name."""
_ADDRESS = re.compile(r"\S*(?:://|www\.|@)\S*")
_LANGUAGES_OF: dict[str, list[str]] = {}
for _name, _listed in FUNCTION_WORDS.items():
    for _word in dict.fromkeys(word for text in sorted(_listed) for word in words(text)):
        _LANGUAGES_OF.setdefault(_word, []).append(_name)


class Guess(NamedTuple):
    """A language or script, and how sure it is."""

    name: str
    sure: float


def script_of(text: str) -> str:
    """The script of most letters, by its name in Unicode: LATIN, CYRILLIC; JAPANESE where there are kana. "" without
    letters."""
    scripts = _scripts(text)
    kana, letters = scripts["HIRAGANA"] + scripts["KATAKANA"], scripts.total()
    if kana > _KANA * letters and 2 * (kana + scripts["CJK"]) > letters:
        return "JAPANESE"
    return scripts.most_common(1)[0][0] if scripts else ""


def function_words(text: str) -> Counter[str]:
    """How many different words of the text are function words of each language."""
    return Counter(name for word in set(words(_without_addresses(text))) for name in _LANGUAGES_OF.get(word, ()))


def language_of(text: str) -> str:
    """The language whose function words the text has most of; "" where that is not clear."""
    (best, hits), (_, second) = [*function_words(text).most_common(2), ("", 0), ("", 0)][:2]
    return best if hits >= LEAST_HITS and hits > second else ""


def is_other_language(text: str, original: str) -> bool:
    """Whether `text` is clearly in another language than `original`: another script, or function words of another
    language, clearly more than of the original's."""
    script, expected_script = script_of(text), script_of(original)
    if script and expected_script and script != expected_script:
        return True
    expected, hits = language_of(original), function_words(text)
    if not expected or not hits:
        return False
    best, count = hits.most_common(1)[0]
    return best != expected and count >= LEAST_HITS and hits[expected] <= _FEWER * count


def guess_language(text: str) -> Guess | None:
    """The language of a Latin or Cyrillic text that has twice as many function words of it as of any other; of others
    the script, "Japanese" or "Chinese". None where the text does not tell."""
    text = _without_addresses(text)
    scripts = _scripts(text)
    letters = scripts.total()
    if letters < _LEAST_LETTERS:
        return None
    script, count = scripts.most_common(1)[0]
    if script in _EAST_ASIAN:
        is_japanese = script_of(text) == "JAPANESE"
        if not is_japanese and letters < _LEAST_SIGNS:
            return None
        return Guess("Japanese" if is_japanese else "Chinese", sum(scripts[s] for s in _EAST_ASIAN) / letters)
    if count < _MOST * letters:
        return None
    if script not in _BY_WORDS:
        return Guess(script.capitalize(), count / letters)
    (best, hits), (_, second) = [*function_words(text).most_common(2), ("", 0), ("", 0)][:2]
    return Guess(best, 1 - 0.5 ** (hits - second)) if hits >= LEAST_HITS and hits >= 2 * second else None


def is_mostly_latin(text: str) -> bool:
    """Whether most letters are Latin: what a model of English words and pieces can read."""
    scripts = _scripts(text, len(text))
    return 2 * scripts["LATIN"] > scripts.total()


def _scripts(text: str, most: int = _LETTERS) -> Counter[str]:
    """Letters of each script at the beginning of the text."""
    scripts: Counter[str] = Counter()
    for character, count in Counter(text[:most]).items():
        if character.isalpha():
            scripts[_script(character)] += count
    return scripts


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(" ", text) if "@" in text or "://" in text or "www." in text else text


@lru_cache(maxsize=8192)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]
