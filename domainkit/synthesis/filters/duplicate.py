"""A question is asked once: not nearly as a kept row asks it, nor as people's own rows do, nor for the same fact."""

from __future__ import annotations

from collections.abc import Sequence

from domainkit.similarity.texts import near, near_pairs, shared_runs
from domainkit.synthesis.candidate import Candidate, Reason
from domainkit.synthesis.filters import Context
from domainkit.text.words import fold


def was_asked_before(candidates: Sequence[Candidate], context: Context) -> list[Reason | None]:
    """Against kept rows, people's rows and the candidates before it; of two alike, the first stays."""
    reasons: list[Reason | None] = [None] * len(candidates)
    asked = [_words(c.question) for c in candidates]
    facts = {(c.document_id, fold(c.answer), c.place): c.question for c in context.kept}
    _mark(reasons, asked, [_words(q) for q in context.against], context.against, "asked in --against")
    _mark(
        reasons,
        asked,
        [_words(c.question) for c in context.kept],
        [c.question for c in context.kept],
        "nearly the same",
    )
    earlier: list[int] = []
    alike = {(i, j) for i, j, _ in near_pairs(asked)} | _equal_pairs(asked)
    for i, candidate in enumerate(candidates):
        fact = (candidate.document_id, fold(candidate.answer), candidate.place)
        twin = next((j for j in earlier if (j, i) in alike), None)
        if reasons[i] is None and twin is not None:
            reasons[i] = Reason("nearly the same", candidates[twin].question)
        elif reasons[i] is None and fact in facts:
            reasons[i] = Reason("the same fact", facts[fact])
        if reasons[i] is None:
            earlier.append(i)
            facts[fact] = candidate.question
    return reasons


def _words(text: str) -> list[str]:
    return fold(text).split()


def _mark(
    reasons: list[Reason | None], asked: list[list[str]], pool: list[list[str]], texts: Sequence[str], kind: str
) -> None:
    if not pool or not asked:
        return
    for i, j, _ in (*near(asked, pool), *shared_runs(asked, pool)):
        reasons[i] = reasons[i] or Reason(kind, texts[j])


def _equal_pairs(texts: list[list[str]]) -> set[tuple[int, int]]:
    """(earlier, later) of the same words; texts of single letters have no other likeness."""
    return {(i, j) for j in range(len(texts)) for i in range(j) if texts[i] == texts[j]}
