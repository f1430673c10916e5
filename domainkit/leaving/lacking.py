"""What is missing for leaving: how many training rows may close the gap, how many questions would decide."""

from __future__ import annotations

from domainkit.leaving.costs import cost_of
from domainkit.leaving.decision import LeaveDecision
from domainkit.results.schema import LearningCurve
from domainkit.verdict import numbers
from domainkit.verdict.sentences import percent, rounded

MEASURE_ROWS = "domainkit leave … --curve trains on parts of the rows and measures it"


def lacking_sentences(d: LeaveDecision) -> tuple[str, ...]:
    """What the budget did not pay for; questions where they are too few to tell, then rows. A figure nobody measured is
    named as such."""
    if d.unpaid:
        return (_answers(d),)
    return (*_questions(d), *_rows(d))


def _answers(d: LeaveDecision) -> str:
    """What is left to ask, and what that costs."""
    cost = cost_of(d, d.facts.incumbent)
    each = cost.per_thousand.value / 1000 if cost is not None and cost.per_thousand.value is not None else None
    price = (
        f": about {numbers.money(each * d.unpaid)} {d.results.cost.prices.currency}" if each and d.results.cost else ""
    )
    return (
        f"Answers: the budget paid for {len(d.results.items) - d.unpaid:,} of {len(d.results.items):,} questions of "
        f"the model in use. {d.unpaid:,} are left{price}. The same command with a larger --budget asks these alone."
    )


def _questions(d: LeaveDecision) -> tuple[str, ...]:
    t = d.test
    if t.outcome == "NOT YET" or t.difference is None:
        return ()
    if t.needed is None:
        return (
            "Questions: more of them would show a loss of the margin or more, if the true difference is the observed "
            "one.",
        )
    more = max(t.needed - t.difference.n, 0)
    return (
        f"Questions: about {rounded(more):,} more ({rounded(t.needed):,} in all) would be enough to leave in four "
        "cases of five, if the true difference is the observed one.",
    )


def _rows(d: LeaveDecision) -> tuple[str, ...]:
    gap = _gap(d)
    if gap is None:
        return ()
    curve = next((c for c in d.results.curves if c.variant == d.test.name), None)
    if curve is None or not curve.forecast:
        why = f" ({curve.reason})" if curve is not None and curve.reason else ""
        return (f"Rows: how many more would close the gap is not measured{why}. {MEASURE_ROWS}.",)
    return (_forecast(curve, gap, d.test.name),)


def _gap(d: LeaveDecision) -> float | None:
    """The least score at which the candidate would be within the margin; None where it is there already."""
    theirs, ours = d.incumbent_score.value, d.test.score.value
    if theirs is None or ours is None or ours >= theirs:
        return None
    return theirs - d.margin if ours < theirs - d.margin else theirs


def _forecast(curve: LearningCurve, target: float, name: str) -> str:
    """The first forecast that reaches the target."""
    now, last = curve.points[-1], curve.forecast[-1]
    reached = next((p for p in curve.forecast if p.value >= target), None)
    if reached is None:
        return (
            f"Rows: with {last.n:,} instead of {now.n:,} the learning curve forecasts {percent(last.value)} "
            f"({_band(last.low, last.high)}) for {name}, below the {percent(target)} that it takes: a stronger "
            "base, or another method, before more rows."
        )
    return (
        f"Rows: about {rounded(reached.n - now.n):,} more: with {reached.n:,} the learning curve forecasts "
        f"{percent(reached.value)} ({_band(reached.low, reached.high)}) for {name}, and {percent(target)} closes "
        "the gap."
    )


def _band(low: float | None, high: float | None) -> str:
    return f"{numbers.percent(low)} to {numbers.percent(high)}"
