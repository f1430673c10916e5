"""Question and answer are in the language of the section."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.language import is_other_language, language_of, script_of


def other_language(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    # The answer alone may be a name or a number; with the question it shows its language.
    for text in (candidate.question, f"{candidate.question} {candidate.answer}"):
        if is_other_language(text, candidate.section.text):
            return Reason("another language", language_of(text) or script_of(text).title())
    return None
