"""A question that the base answers without the document measures no retrieval, and teaches nothing."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.evaluation.metrics.token_f1 import overlap_f1
from domainkit.synthesis.asking.asker import Reply
from domainkit.synthesis.asking.requests import closed_book
from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.words import answer_words, contains

MATCH = 0.75
"""Token F1 from which an answer counts as the right one."""


def known_without_the_document(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    if context.base is None:
        return [None] * len(candidates)
    replies = context.base.ask([closed_book(c.question) for c in candidates])
    return [_reason(c, reply) for c, reply in zip(candidates, replies, strict=True)]


def _reason(candidate: Candidate, reply: Reply | None) -> Reason | None:
    if reply is None:
        return Reason("not asked", "the base gave no reply, or the budget ended")
    said, target = answer_words(reply.text), answer_words(candidate.answer)
    if contains(" ".join(said), " ".join(target)) or overlap_f1(said, target) >= MATCH:
        return Reason("the base knows it", reply.text)
    return None
