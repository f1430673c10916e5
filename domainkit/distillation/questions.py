"""Which questions are asked: those that are no copy of a test question, are not solved yet, and stand there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domainkit.corpus.example import Example
from domainkit.distillation.acceptance import Outcome
from domainkit.evaluation.answers_on_disk import asked
from domainkit.evaluation.task import Sample
from domainkit.text.words import fold
from domainkit.verdict.leakage import find_leaks

TESTED, SOLVED, REPEATED = "near copy of a test question", "solved already", "stands there twice"


def left_out(samples: Sequence[Sample], solved: Sequence[Example], test: Sequence[Example]) -> dict[str, Outcome]:
    """By the id of the question, why it is not asked.

    A question that is solved in the prompt would show what was copied, not what the teacher knows.
    """
    found = {o.sample.id: o for o in _copies(samples, test)}
    known = {fold(example.query): example for example in solved}
    seen: dict[str, str] = {}
    for sample in samples:
        digest = asked(sample)
        if sample.id in found:
            continue
        if (same := known.get(fold(sample.query))) is not None:
            found[sample.id] = Outcome(sample, refused=SOLVED, detail=same.source)
        elif digest in seen:
            found[sample.id] = Outcome(sample, refused=REPEATED, detail=f"asked as {seen[digest]}")
        seen.setdefault(digest, sample.id)
    return found


def _copies(samples: Sequence[Sample], test: Sequence[Example]) -> Iterator[Outcome]:
    """Learnt, a copy of a test question would make the test one of memory."""
    leaks, _ = find_leaks(test, samples, pairs=None) if test else ((), ())
    by_id = {sample.id: sample for sample in samples}
    for leak in leaks:
        if leak.counted:
            for pair in leak.pairs:
                yield Outcome(by_id[pair.test], refused=TESTED, detail=f"{leak.level}: {pair.source}")
