"""A question does not contain its answer."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.words import answer_words, contains


def gives_its_answer_away(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    answer, question = answer_words(candidate.answer), answer_words(candidate.question)
    if contains(" ".join(question), " ".join(answer)):
        return Reason("the answer stands in the question", candidate.answer)
    if len(answer) > 1 and set(answer) <= set(question):
        return Reason("every word of the answer is in the question", candidate.answer)
    return None
