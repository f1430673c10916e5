"""May the incumbent be left? The gate's test of non-inferiority, on the questions that the incumbent answered.

One-sided: the candidate passes where the difference candidate − incumbent lies above minus the margin with confidence.
Several candidates share the error probability (Bonferroni), so that 95 % holds for all of them together. Two kinds of
questions take no part: those that the incumbent failed on, which would count against it, and those that also stand in
what the candidate was trained on, which would count for the candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from domainkit.comparison.asking.spending import UNPAID
from domainkit.errors import ConfigError
from domainkit.evaluation.task import clusters_of
from domainkit.results.leaving import LeavingFacts
from domainkit.results.lookups import score_of
from domainkit.results.schema import Difference, Estimate, Item, Results
from domainkit.statistics.intervals import estimate
from domainkit.statistics.paired import Paired, compare_paired, paired_interval
from domainkit.verdict import gate
from domainkit.verdict.forgetting import needed_to_pass

Outcome = Literal["MAY LEAVE", "NOT YET", "CANNOT TELL YET", "NOT DECIDED"]
EXIT_CODES: dict[Outcome, int] = {"MAY LEAVE": 0, "NOT YET": 1, "CANNOT TELL YET": 3, "NOT DECIDED": 3}
_OUTCOMES: dict[gate.Outcome, Outcome] = {
    "passed": "MAY LEAVE",
    "worse": "NOT YET",
    "cannot tell": "CANNOT TELL YET",
}


@dataclass(frozen=True, slots=True)
class CandidateTest:
    """One candidate against the incumbent."""

    name: str
    outcome: Outcome
    score: Estimate
    """On the questions of the test."""
    difference: Difference | None
    """Candidate − incumbent; None where no question has both scores."""
    low: float | None
    """The difference is above this with the confidence of one candidate; `high` is the other end of that interval."""
    high: float | None
    needed: int | None
    """Questions in all that would let it pass at 80 % power, if the true difference is the observed one."""


@dataclass(frozen=True)
class LeaveDecision:
    """Whether the incumbent may be left, for which candidate, and what that rests on."""

    results: Results
    facts: LeavingFacts
    margin: float
    """The loss that would not matter, as a fraction."""
    tests: tuple[CandidateTest, ...]
    """In the order of the candidates."""
    incumbent_score: Estimate
    """On the questions of the test."""
    used: tuple[Item, ...]
    """The questions of the test."""
    failed: int
    """Questions that the incumbent failed on."""
    unpaid: int
    """Those of them that it was not asked, since the budget had ended."""
    leaked: int
    """Further questions left out, since they also stand in the training rows."""
    leaks_unlisted: int
    """Leaked questions that could not be left out: the results name the first of each kind only."""

    @cached_property
    def test(self) -> CandidateTest:
        """Of the first candidate that may take the incumbent's place; else of the one that is nearest to it."""
        passed = [t for t in self.tests if t.outcome == "MAY LEAVE"]
        return passed[0] if passed else max(self.tests, key=lambda t: -1.0 if t.low is None else t.low)

    @property
    def outcome(self) -> Outcome:
        """MAY LEAVE for one that passes; NOT YET where every candidate is worse; NOT DECIDED where the budget ended in
        the middle: the questions that were asked are the first ones of the file, and no sample of it."""
        if self.unpaid:
            return "NOT DECIDED"
        if self.test.outcome == "MAY LEAVE":
            return "CANNOT TELL YET" if self.leaks_unlisted else "MAY LEAVE"
        return "NOT YET" if all(t.outcome == "NOT YET" for t in self.tests) else "CANNOT TELL YET"

    @property
    def exit_code(self) -> int:
        """0 may leave, 1 not yet, 3 cannot tell yet, or not decided."""
        return EXIT_CODES[self.outcome]

    @property
    def level(self) -> float:
        """Of each candidate's interval; its lower end is the one-sided bound."""
        return 1 - 2 * gate.ALPHA / len(self.tests)

    @property
    def stated_level(self) -> float:
        """The confidence of the decision, over all candidates."""
        return 1 - gate.ALPHA


def decide_leaving(results: Results) -> LeaveDecision:
    """The decision from results.json alone. Raises ConfigError for results of another command, or raced ones."""
    facts = results.leaving
    if facts is None:
        next_step = "domainkit leave --incumbent MODEL --train FILE --task FILE --out FOLDER"
        raise ConfigError("these results name no incumbent to be left", next_step=next_step)
    if results.race is not None:
        raise ConfigError("a race stops asking, and a certificate needs every question", next_step="leave race out")
    metric = results.task.primary_metric
    answered = [item for item in results.items if _is_answered(item, facts.incumbent)]
    leaked, unlisted = _leaked(results)
    used = [item for item in answered if item.id not in leaked]
    margin = next((v.difference.margin for v in results.variants if v.difference), gate.MARGIN)
    theirs = scores_of(results, used, facts.incumbent)
    return LeaveDecision(
        results=results,
        facts=facts,
        margin=margin,
        tests=tests_of(results, used, facts.candidates, facts, margin),
        incumbent_score=_estimate(theirs, clusters_of(used), f"no question has a {metric} of it"),
        used=tuple(used),
        failed=len(results.items) - len(answered),
        unpaid=sum(_is_unpaid(item, facts.incumbent) for item in results.items),
        leaked=len(answered) - len(used),
        leaks_unlisted=unlisted,
    )


def tests_of(
    results: Results, used: Sequence[Item], names: Sequence[str], facts: LeavingFacts, margin: float
) -> tuple[CandidateTest, ...]:
    """Each of `names` against the incumbent on the questions `used`, with the error shared among the candidates."""
    clusters, alpha = clusters_of(used), gate.ALPHA / len(facts.candidates)
    theirs = scores_of(results, used, facts.incumbent)
    columns = {name: scores_of(results, used, name) for name in names}
    return tuple(
        _test(name, column, compare_paired(column, theirs, clusters=clusters), clusters, margin, alpha)
        for name, column in columns.items()
    )


def _test(
    name: str,
    scores: Sequence[float | None],
    pair: Paired,
    clusters: Sequence[str] | None,
    margin: float,
    alpha: float,
) -> CandidateTest:
    outcome, difference, _ = gate.decide_pair(pair, margin, alpha)
    low, high, _ = paired_interval(pair, 1 - 2 * alpha) if pair.n else (None, None, "")
    open_ = difference is not None and outcome == "cannot tell"
    return CandidateTest(
        name=name,
        outcome=_OUTCOMES[outcome],
        score=_estimate(scores, clusters, "it has no score"),
        difference=difference,
        low=low,
        high=high,
        needed=needed_to_pass(pair, margin, alpha) if open_ else None,
    )


def scores_of(results: Results, items: Sequence[Item], name: str) -> list[float | None]:
    """No score at all of a variant whose answers are no evidence, as in its own figures."""
    if name in results.failed:
        return [None] * len(items)
    return [score_of(item, name, results.task.primary_metric) for item in items]


def _is_answered(item: Item, name: str) -> bool:
    answer = item.answers.get(name)
    return answer is not None and answer.error is None


def _is_unpaid(item: Item, name: str) -> bool:
    answer = item.answers.get(name)
    return answer is not None and (answer.error or "").startswith(UNPAID)


def _leaked(results: Results) -> tuple[set[str], int]:
    """(ids of test questions that also stand in the training rows or the development questions, how many more there are
    at least than the results list)."""
    leaks = [leak for leak in results.leaks if leak.counted and leak.count and not leak.unchecked]
    ids = {pair.test for leak in leaks for pair in leak.pairs}
    return ids, max((leak.count - len({pair.test for pair in leak.pairs}) for leak in leaks), default=0)


def _estimate(scores: Sequence[float | None], clusters: Sequence[str] | None, reason: str) -> Estimate:
    if not any(s is not None for s in scores):
        return Estimate(value=None, reason=reason)
    return estimate(scores, clusters=clusters)
