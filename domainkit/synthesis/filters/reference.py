"""A question is asked without the document in hand: it does not speak of "the text above" or "Figure 2"."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.synthesis.filters.words.reference import INSIDE_THE_TEXT, POINTS_AT_THE_TEXT


def speaks_of_the_document(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    question = " ".join(candidate.question.replace("’", "'").split())
    quote = " ".join(candidate.quote.lower().split())
    for pointing in POINTS_AT_THE_TEXT.finditer(question):
        if pointing[0].lower() not in quote:
            return Reason("speaks of the document", pointing[0])
    for inside in INSIDE_THE_TEXT.finditer(question):
        noun = next(word for word in inside.groupdict().values() if word)
        if noun.lower() not in quote:
            return Reason("speaks of the document", inside[0])
    return None
