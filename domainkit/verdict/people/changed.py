"""What people's judgement means for the verdict: confirmed, not confirmed, or the other way round."""

from __future__ import annotations

from domainkit.results.lookups import find_variant, score_of
from domainkit.results.people import WORTH_SAYING
from domainkit.results.schema import ByPeople, PeopleDifference, Results, Verdict
from domainkit.verdict import numbers
from domainkit.verdict.sentences import CANNOT_TELL, answer_of, metric_words


def changed_verdict(results: Results, people: ByPeople) -> Verdict | None:
    """The verdict where all planned reviews find the recommended variant worse than the other one; else None."""
    d, old = people.difference, results.verdict
    if d is None or d.state != "WORSE" or people.variants[0] != old.choice or not people.complete:
        return None
    other = people.variants[1]
    variant = find_variant(results, other)
    if variant is None:
        return None
    open_between = {old.choice, *old.tied} - {*people.variants}
    answer = old.answer if old.answer == CANNOT_TELL and open_between else answer_of(variant)
    metric = metric_words(results.task.primary_metric)
    return old.model_copy(
        update={
            "answer": answer,
            "choice": other,
            "headline": people_sentence(results, people),
            "reasons": (f"By {metric} alone the verdict would be: {old.headline}", *old.reasons),
            "next_steps": (f"Read the questions on which people and {metric} differ: they show what it misses.",),
            "tied": (),
            "action": None,
            "without_leaks": None,
        }
    )


def people_sentence(results: Results, people: ByPeople) -> str:
    """The result by people in one or two sentences, in plain words."""
    first = people.variants[0]
    if len(people.variants) == 1:
        share = people.right[first]
        if share.value is None:
            return "By people's judgement: nothing can be said yet."
        return (
            f"By people's judgement {first} is right on {numbers.percent(share.value)} % ({numbers.interval(share)})."
        )
    second, d = people.variants[1], people.difference
    if d is None:
        return "By people's judgement: too few reviews to say anything yet."
    if not people.complete:
        seen = people.reviewed + people.not_judged
        return (
            f"By people's judgement, after {seen:,} of {people.planned:,} reviews, {first} against {second}: "
            f"{people_points(d)}. Who wins is said when all are done."
        )
    recommended = first == results.verdict.choice
    metric = metric_words(results.task.primary_metric)
    if d.state == "BETTER":
        confirm = "People confirm it" if recommended else "By people's judgement"
        return f"{confirm}: {first} is better than {second}, {people_points(d)}."
    if d.state == "WORSE":
        contrary = f", which {metric} recommends" if recommended else ""
        return f"By people's judgement {second} is better than {first}{contrary}: {people_points(_turned(d))}."
    if recommended and _gain_by_metric(results, first, second) > 0:
        return f"People do not confirm the gain of {first} over {second} yet: {people_points(d)}."
    return f"By people's judgement {first} and {second} cannot be distinguished yet: {people_points(d)}."


def people_points(d: PeopleDifference) -> str:
    """+8.0 points (−2.1 to +17.9)."""
    return f"{numbers.points(d.value)} points ({numbers.points(d.low)} to {numbers.points(d.high)})"


def worth_sentence(people: ByPeople) -> str:
    """What the reviews are worth, and why; "" where two variants were not compared, and where each counts as one."""
    d = people.difference
    if d is None:
        return ""
    why = []
    if people.judge is not None:
        explains = f"the judge's scores explain R² = {d.r2:.2f} of what people say"
        why.append(explains if d.worth >= WORTH_SAYING * d.alone else "the judge adds nothing to them")
    if people.identical:
        why.append("answers that are the same need no review")
    worth = f" worth {d.worth:,.0f} drawn at random without a judge" if d.worth >= WORTH_SAYING * d.n else ""
    return f"{d.n:,} reviews{worth}: {', and '.join(why)}." if why else ""


def _turned(d: PeopleDifference) -> PeopleDifference:
    return d.model_copy(update={"value": -d.value, "low": -d.high, "high": -d.low})


def _gain_by_metric(results: Results, first: str, second: str) -> float:
    """first - second by the primary metric, on the questions that both have a score for."""
    metric = results.task.primary_metric
    pairs = [(score_of(i, first, metric), score_of(i, second, metric)) for i in results.items]
    both = [a - b for a, b in pairs if a is not None and b is not None]
    return sum(both) / len(both) if both else 0.0
