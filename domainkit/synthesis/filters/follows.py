"""The answer is made of the quote: its numbers all stand there, nearly all of its words, and it is a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.similarity.texts import numbers
from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.words import answer_words, words

LONGEST_WHOLE = 6
"""Words of an answer that may be all of its quote. A longer one is not an answer, but the sentence copied."""
SHARE = 0.75
"""Least share of the answer's words that are in the quote: an answer may add "by", "for" or "it is"."""


def not_in_the_quote(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    answer = answer_words(candidate.answer)
    quote = {*answer_words(candidate.quote), *words(candidate.quote)}  # of "Crane's" both "cranes" and "crane"
    if len(answer) > LONGEST_WHOLE and quote <= {*answer, *words(candidate.answer)}:
        return Reason("the answer is the whole quote", candidate.answer)
    if missing := sorted(numbers(answer) - quote):
        return Reason("a number is not in the quote", ", ".join(missing))
    absent = [word for word in answer if word not in quote]
    if len(absent) > (1 - SHARE) * len(answer):
        return Reason("its words are not in the quote", ", ".join(dict.fromkeys(absent)))
    return None
