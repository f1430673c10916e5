"""A question for an amount has an amount for an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.words import words

_ASKS_FOR_AMOUNT = re.compile(
    r"^(?:how (?:much|many|long|old|far|often|big|tall|high|heavy|wide|deep)\b|what (?:does|do|did) .* cost\b"
    r"|what is the (?:price|cost|fee|number|amount)\b(?! plate))"
    r"|^wie ?(?:viel|viele|lange|oft|hoch|weit|teuer|alt)\b|^was kostet\b|^combien\b|^cuánt[oa]s?\b|^quant[oiae]\b",
    re.IGNORECASE,
)
_NUMBER_WORDS = {
    "English": "none zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand "
    "million dozen half once twice thrice double free nothing always never daily weekly monthly yearly annually every "
    "each single day week month year hour overnight forever until",
    "German": "kein null ein eine einen zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig "
    "hundert tausend einmal zweimal dreimal halb kostenlos täglich wöchentlich monatlich jährlich immer nie jeden",
    "French": "zéro un une deux trois quatre cinq six sept huit neuf dix onze douze vingt trente cent mille gratuit",
    "Spanish": "cero un una dos tres cuatro cinco seis siete ocho nueve diez once doce veinte treinta cien mil gratis",
    "Italian": "zero uno due tre quattro cinque sei sette otto nove dieci dodici venti cento mille volta gratuito",
    "Portuguese": "zero um uma dois duas três quatro cinco seis sete oito nove dez doze vinte cem mil vez grátis",
}
_AMOUNTS = frozenset(word for text in _NUMBER_WORDS.values() for word in text.split())


def is_no_amount(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    asked = _ASKS_FOR_AMOUNT.match(candidate.question.strip())
    if not asked or any(c.isnumeric() for c in candidate.answer):
        return None
    if any(part in _AMOUNTS for word in words(candidate.answer) for part in re.split(r"[-\W]", word)):
        return None
    return Reason("an amount is asked for, and none is given", candidate.answer)
