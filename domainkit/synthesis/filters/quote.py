"""The quote stands word for word in the document, and is long enough to prove something."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.corpus.chunk import count_words
from domainkit.synthesis.asking.requests import LONGEST, SHORTEST
from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context


def not_in_the_document(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    return [_reason(c) for c in candidates]


def _reason(candidate: Candidate) -> Reason | None:
    if candidate.place is None:
        return Reason("not in the document")
    length = count_words(candidate.quote)
    if length < SHORTEST:
        return Reason("too short", f"{length} words")
    return Reason("too long", f"{length} words") if length > LONGEST else None
