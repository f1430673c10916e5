"""A question is about its document: something that it names stands there. A weak writer asks about the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.synthesis.filters.words.empty import EMPTY_OF, PRONOUNS_OF
from domainkit.text.language import language_of
from domainkit.text.words import words

_STEM = 5
"""Letters by which two forms of a word are known as one: cancel, cancelling, cancellation."""


def is_about_something_else(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    vocabularies: dict[str, frozenset[str]] = {}
    return [_reason(c, vocabularies) for c in candidates]


def _reason(candidate: Candidate, vocabularies: dict[str, frozenset[str]]) -> Reason | None:
    document = candidate.section.document
    if document.id not in vocabularies:
        text = "\n".join((document.title, document.id, *candidate.section.headings, document.text))
        vocabularies[document.id] = frozenset(word[:_STEM] for word in words(text))
    language = language_of(candidate.question) or language_of(candidate.section.text)
    empty = EMPTY_OF.get(language, frozenset()) | PRONOUNS_OF.get(language, frozenset())
    named = [word for word in words(candidate.question) if word not in empty]
    absent = [word for word in named if word[:_STEM] not in vocabularies[document.id]]
    # One word is enough: people ask in words of their own.
    if named and len(absent) == len(named):
        return Reason("names nothing of the document", ", ".join(dict.fromkeys(absent)))
    return None
