"""Which language a text is in: its script, and for scripts of many languages the share of their commonest words.

It is a rule of thumb: texts of a few words often have no common word and stay unknown, and languages that are not
listed count as none. Nothing is called another language on one word alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

LEAST_WORDS = 3
"""Common words of a language that a text must have, and twice as many as of any other."""
_LEAST_SIGNS = 8
"""Chinese signs without kana: fewer may be a Japanese compound."""
_LETTERS = re.compile(r"[^\W\d_]+")
_URL = re.compile(r"\S*(?:://|www\.|@)\S*")
_SHARED = ("HIRAGANA", "KATAKANA", "CJK")
_COMMON = {
    "English": "the of and to in is that it for was with as on be at by this had not are but from or have an they "
    "which you were all her she there would their we him been has when who will no more if out so what "
    "up said its about than into them can only my i do how why where does did your me am",
    "German": "der die das und ist nicht ein eine einen zu den mit sich des auf für im dem von wie als auch es an "
    "werden aus er hat dass sie nach wird bei noch um am sind so wenn war ich kann wir haben oder mein "
    "meine warum wo mir mich kein",
    "French": "le la les de des et est un une du que qui dans pour pas sur au avec ce il sont plus par je ne se "
    "vous nous mon ma mes ai été mais ou où comment pourquoi quand cette elle aux leur être puis cela",
    "Spanish": "el la los las de y que en un una es no por con para su se del al lo como más pero sus le ya o este "
    "sí porque esta mi qué cómo dónde cuándo ha he muy sin sobre me está son fue puedo hay",
    "Portuguese": "o a os as de e que do da em um uma para é com não por mais dos das como mas foi ao ele se na no "
    "seu sua ou ser quando muito já eu também só pelo pela até isso ela meu minha você está são onde "
    "posso",
    "Italian": "il lo la i gli le di e che è un una per non con del della in sono da come si ma mi ho più anche "
    "questo nel alla dei delle mio mia perché dove quando cosa al ha posso essere quanto",
    "Dutch": "de het een en van ik te dat die in niet is op aan met als voor er maar om dan zou of wat mijn men "
    "dit zo door over ze zich bij ook tot je naar kan hoe waarom waar heeft geen deze was worden",
    "Swedish": "och att det i en jag som är på för med inte den av till har om ett men de så kan min mitt hur när "
    "var vad från vi du mig han hon ska eller inga varför",
    "Danish": "og at det i en jeg som er på for med ikke den af til har om et men de så kan min mit hvordan når "
    "var hvad fra vi du mig han hun skal eller hvorfor",
    "Polish": "i w nie na się że z do to jest jak co o po ale za od czy mnie tak przez dla mój moja już być gdzie "
    "dlaczego kiedy mam są tego tym był jego może",
    "Czech": "a se v na je že to s z do o k i jak ale jsem za co by pro si po jsou mi můj moje proč kde když "
    "není nebo jeho být tak mám",
    "Romanian": "și de în la a nu este o un cu pe că care din să se mai pentru ce sunt am dar fi sau cum unde când "
    "mea meu lui fost prin",
    "Hungarian": "a az és nem hogy van egy is ez meg de ha már csak mi ki volt el miért hol mikor nekem azt mint "
    "vagy lehet kell",
    "Finnish": "ja on ei se että en hän oli ole mitä kun niin mutta minä jos ovat sen mun tai kuin miksi missä voi "
    "minun olen",
    "Turkish": "bir ve bu için de da ne ile çok ama var mi mı gibi daha ben o olarak kadar değil nasıl neden "
    "nerede benim olan sonra her",
    "Indonesian": "yang dan di ini itu dengan untuk tidak dari dalam akan pada saya ke ada bisa apa kami sudah atau "
    "juga mengapa bagaimana adalah oleh",
    "Vietnamese": "là và của có không cho tôi được một trong các với này đã như người những khi để đến làm thế nào "
    "tại sao",
    "Russian": "и в не на я что с он как это по но из у к за то все так его же для вы мы бы мне от был есть ли "
    "если когда где почему мой моя нет или уже",
    "Ukrainian": "і в не на я що з він як це по але із у до за то все так його для ви ми мені від був є чи якщо коли "
    "де чому мій моя немає або вже та",
}
_WORDS = {name: frozenset(words.split()) for name, words in _COMMON.items()}
_OF_WORD: dict[str, list[str]] = {}
for _name, _words in _WORDS.items():
    for _word in _words:
        _OF_WORD.setdefault(_word, []).append(_name)


class Guess(NamedTuple):
    """A language or script, and how sure it is."""

    name: str
    sure: float


def guess_language(text: str) -> Guess | None:
    """None where the text does not tell: too few letters, or no common words."""
    words = [w.lower() for w in _LETTERS.findall(unicodedata.normalize("NFC", _URL.sub(" ", text)))]
    letters = "".join(words)
    if len(letters) < 4:
        return None
    scripts = Counter(map(_script, letters[:2000]))
    script, count = scripts.most_common(1)[0]
    if script in _SHARED:
        # Japanese has kana between its Chinese signs.
        kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
        name = "Japanese" if kana * 20 > len(letters[:2000]) else "Chinese"
        if name == "Chinese" and len(letters) < _LEAST_SIGNS:
            return None
        return Guess(name, sum(scripts[s] for s in _SHARED) / len(letters[:2000]))
    if count < 0.6 * len(letters[:2000]):
        return None
    if script not in ("LATIN", "CYRILLIC"):
        return Guess(script.capitalize(), count / len(letters[:2000]))
    hits = Counter(name for word in words for name in _OF_WORD.get(word, ()))
    best = hits.most_common(2)
    if not best or best[0][1] < LEAST_WORDS or (len(best) > 1 and best[0][1] < 2 * best[1][1]):
        return None
    return Guess(best[0][0], 1 - 0.5 ** (best[0][1] - (best[1][1] if len(best) > 1 else 0)))


def mostly_latin(texts: Sequence[str]) -> bool:
    """Whether most letters are Latin: what a model of English words and pieces can read."""
    letters = "".join(c for text in texts[:1000] for c in text[:500] if c.isalpha())
    return 2 * sum(_script(c.lower()) == "LATIN" for c in letters) > len(letters)


def others(texts: Sequence[str]) -> tuple[str, dict[int, Guess]]:
    """The language of most texts, and the position of each text in another one. Both are empty where no language has
    most of the texts that tell."""
    guesses = {i: guess for i, text in enumerate(texts) if (guess := guess_language(text))}
    if not guesses:
        return "", {}
    counts = Counter(guess.name for guess in guesses.values())
    most, count = counts.most_common(1)[0]
    if 2 * count <= len(guesses):
        return "", {}
    return most, {i: guess for i, guess in guesses.items() if guess.name != most}


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]
