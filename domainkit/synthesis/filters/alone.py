"""A question stands alone: it is one question, names what it asks about, and a pronoun has something before it.

Pronouns are known in English, German, French and Spanish; in other languages only the length counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.synthesis.filters.words.empty import ASKING_OF, EMPTY_OF, PRONOUNS_OF
from domainkit.text.characters import QUESTION_MARKS, UNSPACED
from domainkit.text.language import language_of
from domainkit.text.words import words

SHORTEST, SHORTEST_UNSPACED = 3, 5
"""Words, and letters of a script without spaces."""
_EXPLETIVE = re.compile(
    r"\bit (?:takes?|costs?|means?)(?= .*\bto\b)"
    r"|\bit (?:is |be |was )?(?:matters?|possible|necessary|allowed|safe|normal|"
    r"legal|worth|important|best|better|required|recommended)\b"
    r"|\bis it that\b|\bsuch as\b|\bgibt es\b|\best-ce\b|\bqu'est-ce\b|\by a-t-il\b|\bil (?:y a|faut|est)\b"
    r"|\bist es\b|\bdauert es\b"
    r"|\b(?:so |in order )?that\b(?! \w+\?)",
    re.IGNORECASE,
)
"""Here the pronoun stands for nothing: "How long does it take to ...", "Is it safe to ...", "a plant that ..."."""
_FOLLOWING = re.compile(r"^\W*(?:and|but|so|then|also|therefore|however|und|aber|et|mais|y|pero)\s", re.IGNORECASE)
_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")


def cannot_stand_alone(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c.question, language_of(c.question) or language_of(c.section.text)) for c in candidates]


def _reason(question: str, language: str) -> Reason | None:
    marks = len(re.findall(f"[?{QUESTION_MARKS}]+", question))
    letters, found = len(_UNSPACED_LETTER.findall(question)), words(question)
    if marks > 1:
        return Reason("more than one question", question)
    if not marks and not ASKING_OF.get(language, frozenset()).intersection(found):
        return Reason("no question", question)
    if letters * 2 > len(found):
        return Reason("too short", question) if letters < SHORTEST_UNSPACED else None
    if len(found) < SHORTEST:
        return Reason("too short", question)
    if match := _FOLLOWING.match(question):
        return Reason("goes on from another question", match[0].strip())
    if language not in PRONOUNS_OF:
        return None
    pronouns, empty = PRONOUNS_OF[language], EMPTY_OF[language]
    for word in words(_EXPLETIVE.sub(" ", question.replace("’", "'"))):
        if word in pronouns:
            return Reason("a pronoun stands for nothing", word)
        if word not in empty:
            return None
    return Reason("names nothing", question)
