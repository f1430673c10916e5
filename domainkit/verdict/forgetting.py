"""Forgetting: how much general knowledge the base loses with the adapter, as a gate.

The same questions with and without the adapter, paired. The gate is a test of non-inferiority: it passes when the 95 %
interval of the difference lies above minus the margin, fails when it lies below, and otherwise cannot tell yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from scipy.special import ndtri

from domainkit.evaluation.general_questions import GeneralQuestions, Likelihoods, MultipleChoice, picked_choice
from domainkit.results.schema import Difference, Estimate, Forgetting, Gate, GeneralText, LostQuestion, Results
from domainkit.statistics.intervals import estimate, estimate_corpus
from domainkit.statistics.paired import POWER, Paired, adjust, compare_paired, design_effect
from domainkit.verdict.sentences import forgetting_sentence


@dataclass(frozen=True, slots=True)
class _Answered:
    """A question both models answered, and the index of the choice each picked."""

    question: MultipleChoice
    base: int
    tuned: int

    @property
    def base_score(self) -> float:
        return float(self.base == self.question.answer)

    @property
    def tuned_score(self) -> float:
        return float(self.tuned == self.question.answer)


def forgetting_of(general: GeneralQuestions, base: Likelihoods, tuned: Likelihoods, margin: float) -> Forgetting | None:
    """The comparison of the two models' likelihoods; None where no question has both."""
    both = [
        _Answered(q, picked_choice(q, b), picked_choice(q, t))
        for q, b, t in zip(general.choices, base.choices, tuned.choices, strict=True)
        if b is not None and t is not None
    ]
    pair = compare_paired([a.tuned_score for a in both], [a.base_score for a in both])
    difference = adjust({"adapter": pair}, margin=margin)["adapter"]
    if difference is None:
        return None
    verdict = gate(difference, margin)
    return Forgetting(
        base=estimate([a.base_score for a in both]),
        tuned=estimate([a.tuned_score for a in both]),
        difference=difference,
        gate=verdict,
        margin=margin,
        needed=needed_to_pass(pair, margin) if verdict == "cannot tell yet" else None,
        groups=_groups(both),
        lost=tuple(_lost(a) for a in both if a.base_score > a.tuned_score),
        gained=sum(a.base_score < a.tuned_score for a in both),
        text=text_change(general, base.texts, tuned.texts),
        source=general.source,
        fingerprint=general.fingerprint,
        seconds=base.seconds + tuned.seconds,
    )


def gate(difference: Difference, margin: float) -> Gate:
    """Non-inferiority by `margin`: each side of the interval is a one-sided test at 2.5 %."""
    if difference.low > -margin:
        return "passed"
    return "failed" if difference.high < -margin else "cannot tell yet"


def needed_to_pass(pair: Paired, margin: float, alpha: float = 0.025) -> int | None:
    """Questions in all that would let a gate pass at 80 % power, if the true difference is the observed one; None if
    the gate then fails. `alpha`: of the one-sided test.

    n = [(z_{1-alpha} + z.8) / (d + margin)]²·V, with V as if one more pair had disagreed each way; times the design
    effect of clusters.
    """
    room = pair.value + margin
    if room <= 1e-9:
        return None
    squares = float((np.square(pair.differences).sum() + 2) / (pair.n + 2))
    variance = max(squares - pair.value**2, 1 / (pair.n + 2) ** 2)
    return max(ceil(((ndtri(1 - alpha) + ndtri(POWER)) / room) ** 2 * variance * design_effect(pair)), pair.n + 1)


def text_change(
    general: GeneralQuestions, base: Sequence[float | None], tuned: Sequence[float | None]
) -> GeneralText | None:
    """Bits per byte with and without the adapter, the passages weighted by their length."""
    rows = [
        (-b / log(2), -t / log(2), float(len(text.encode())))
        for text, b, t in zip(general.texts, base, tuned, strict=True)
        if b is not None and t is not None
    ]
    if not rows:
        return None
    before, after, size = np.array(rows, float).sum(0)
    low, high = _weighted_interval(rows)
    return GeneralText(
        base=float(before / size),
        tuned=float(after / size),
        difference=float((after - before) / size),
        low=low,
        high=high,
        n=len(rows),
        bytes=int(size),
        source=general.text_source,
    )


def _weighted_interval(rows: Sequence[tuple[float, float, float]]) -> tuple[float | None, float | None]:
    """BCa over passages of Σ(after - before) / Σ bytes; (None, None) for fewer than two."""
    if len(rows) < 2:
        return None, None
    e = estimate_corpus([[t - b, n] for b, t, n in rows], lambda sums: sums[..., 0] / sums[..., 1])
    return e.low, e.high


def _groups(both: Sequence[_Answered]) -> dict[str, tuple[Estimate, Estimate]]:
    names = sorted({a.question.group for a in both if a.question.group})
    if len(names) < 2:
        return {}
    parts = {name: [a for a in both if a.question.group == name] for name in names}
    return {
        n: (estimate([a.base_score for a in part]), estimate([a.tuned_score for a in part]))
        for n, part in parts.items()
    }


def _lost(a: _Answered) -> LostQuestion:
    q = a.question
    return LostQuestion(id=q.id, question=q.question, right=q.choices[q.answer], now=q.choices[a.tuned], group=q.group)


def with_forgetting(results: Results, forgetting: Forgetting | None) -> Results:
    """The results with the gate, which also stands among the verdict's cautions."""
    if forgetting is None:
        return results
    cautions = (*results.verdict.cautions, forgetting_sentence(forgetting))
    verdict = results.verdict.model_copy(update={"cautions": cautions})
    return results.model_copy(update={"forgetting": forgetting, "verdict": verdict})
