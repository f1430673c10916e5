"""What the certificate says: sentences and rows of it, for the page and for Markdown."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from domainkit.comparison.asking.spending import UNPAID
from domainkit.evaluation.task import clusters_of
from domainkit.leaving.costs import break_even_sentence, price_text
from domainkit.leaving.decision import LeaveDecision, decide_leaving, scores_of, tests_of
from domainkit.leaving.facts import about_teaching, facts_of
from domainkit.leaving.lacking import lacking_sentences
from domainkit.report.wording.labels import primary_heading
from domainkit.report.wording.text import one_line, shorten
from domainkit.results.lookups import find_variant
from domainkit.results.schema import Estimate, Results
from domainkit.statistics.paired import adjust, compare_paired
from domainkit.verdict import numbers
from domainkit.verdict.cautions import (
    UNREADABLE,
    about_earlier_use,
    about_judges,
    about_synthetic_questions,
)
from domainkit.verdict.sentences import listed, percent

ANSWERS = {
    "MAY LEAVE": "May leave",
    "NOT YET": "Not yet",
    "CANNOT TELL YET": "Cannot tell yet",
    "NOT DECIDED": "Not decided",
}
FEW = 200
"""With fewer questions than this a certificate says so."""
MOST_CAUTIONS = 6
NAME = 48
"""Columns of a name."""


@dataclass(frozen=True)
class Side:
    """The incumbent or the candidate, in the table of the two."""

    role: str
    name: str
    score: str
    interval: str
    price: str
    time: str


@dataclass(frozen=True)
class Tried:
    """A variant of the comparison, beside the incumbent."""

    name: str
    role: str
    score: str
    difference: str


@dataclass(frozen=True)
class Certificate:
    """One page; every text in it may be hostile."""

    decision: LeaveDecision
    answer: str
    headline: str
    figures: tuple[tuple[str, str, str], ...]
    """(what, figure, note)."""
    sides: tuple[Side, Side]
    costs: tuple[str, ...]
    lacking: tuple[str, ...]
    """Empty where the incumbent may be left."""
    tried: tuple[Tried, ...]
    also: str
    """Variants that were no candidates and would have passed."""
    facts: tuple[tuple[str, str], ...]
    cautions: tuple[str, ...]
    verify: tuple[str, ...]
    """Commands."""
    metric: str
    currency: str


def certificate_of(results: Results, folder: str, sha256: str = "") -> Certificate:
    """The certificate of finished results, from these alone; `folder` is the run folder as a reader names it, and
    `sha256` that of its results.json. Raises ConfigError as `decide_leaving`."""
    decision = decide_leaving(results)
    cost = results.cost
    return Certificate(
        decision=decision,
        answer=ANSWERS[decision.outcome],
        headline=headline(decision),
        figures=_figures(decision),
        sides=(_incumbent_side(decision), _candidate_side(decision)),
        costs=break_even_sentence(decision),
        lacking=lacking_sentences(decision) if decision.outcome != "MAY LEAVE" else (),
        tried=_tried(decision),
        also=also_sentence(decision),
        facts=facts_of(decision),
        cautions=_cautions(decision),
        verify=_verify(folder, sha256),
        metric=primary_heading(results),
        currency=cost.prices.currency if cost else "",
    )


def headline(d: LeaveDecision) -> str:
    """The decision in one sentence, with the figures that carry it."""
    model, margin = shorten(d.facts.model, NAME), f"{100 * d.margin:g} points"
    who, sure = d.test.name, f"{100 * d.stated_level:g} % confidence"
    if d.unpaid:
        return f"Not decided: the budget ended before {model} had answered all {len(d.results.items):,} questions."
    if d.test.difference is None or d.test.low is None:
        return f"No question has a score of both {who} and {model}: {_why_no_score(d)}."
    worst = numbers.points(d.test.low)
    if d.outcome == "MAY LEAVE":
        return (
            f"{who} is not worse than {model} by more than {margin}, with {sure}: "
            f"the difference is above {worst} points."
        )
    if d.outcome == "NOT YET":
        loss = f"{numbers.percent(abs(d.test.difference.value))} points, and the loss may be {margin} or more."
        if len(d.tests) > 1:
            return f"Every candidate is worse than {model}, {who} by {loss}"
        return f"{who} is worse than {model} by {loss}"
    if d.leaks_unlisted:
        return "More test questions also stand in the training rows than the results name: no proof rests on them."
    return (
        f"{who} may be as good as {model}, or worse by {margin} or more: with {sure} it is above {worst} points only."
    )


def _why_no_score(d: LeaveDecision) -> str:
    if not len(d.used):
        return f"{shorten(d.facts.model, NAME)} answered none of {len(d.results.items):,} questions"
    return d.incumbent_score.reason or d.test.score.reason or "their answers are no evidence"


def _figures(d: LeaveDecision) -> tuple[tuple[str, str, str], ...]:
    t = d.test
    change = numbers.points(t.difference.value) if t.difference else numbers.DASH
    level = f"{100 * d.level:g} % interval"
    spread = f"{numbers.points(t.low)} to {numbers.points(t.high)}, {level}" if t.difference else "no paired question"
    questions = numbers.count(t.difference.n if t.difference else 0)
    counts = f"{t.difference.wins:,} better, {t.difference.losses:,} worse" if t.difference else ""
    return (
        ("Difference, points", change, spread),
        ("Margin, points", f"−{100 * d.margin:g}", "the loss that would not matter"),
        ("Questions", questions, counts),
    )


def _incumbent_side(d: LeaveDecision) -> Side:
    price = price_text(d, d.facts.incumbent)
    return _side("In use", d.facts.model, d.incumbent_score, price, d.results, d.facts.incumbent)


def _candidate_side(d: LeaveDecision) -> Side:
    return _side("Candidate", d.test.name, d.test.score, price_text(d, d.test.name), d.results, d.test.name)


def _side(role: str, name: str, score: Estimate, price: str, results: Results, variant: str) -> Side:
    found = find_variant(results, variant)
    latency = found.latency.median if found else None
    return Side(
        role=role,
        name=shorten(name, NAME),
        score=numbers.percent(score.value),
        interval=numbers.interval(score) or score.reason,
        price=price,
        time=numbers.seconds(latency),
    )


def _tried(d: LeaveDecision) -> tuple[Tried, ...]:
    """Every variant on the questions of the test, with its difference to the incumbent."""
    scores = {v.name: scores_of(d.results, d.used, v.name) for v in d.results.variants}
    clusters = clusters_of(d.used)
    theirs = scores[d.facts.incumbent]
    pairs = {
        name: compare_paired(column, theirs, clusters=clusters)
        for name, column in scores.items()
        if name != d.facts.incumbent
    }
    judged = adjust(pairs, margin=d.margin)
    rows = []
    for name, column in scores.items():
        values = [s for s in column if s is not None]
        found = judged.get(name)
        spread = f"{numbers.points(found.value)} ({numbers.difference_interval(found)})" if found else numbers.DASH
        role = "in use" if name == d.facts.incumbent else "candidate" if name in d.facts.candidates else ""
        mean = sum(values) / len(values) if values else None
        rows.append(Tried(shorten(name, 28), role, numbers.percent(mean), spread))
    return tuple(rows)


def also_sentence(d: LeaveDecision) -> str:
    """The variants that were no candidates, but pass the test of one: they were chosen by looking, so this is no
    proof."""
    names = [v.name for v in d.results.variants if v.name not in (d.facts.incumbent, *d.facts.candidates)]
    passing = [t.name for t in tests_of(d.results, d.used, names, d.facts, d.margin) if t.outcome == "MAY LEAVE"]
    if not passing or d.unpaid:
        return ""
    are = "is" if len(passing) == 1 else "are"
    return (
        f"{listed(passing)} {are} within the margin too, without having been a candidate: a proof takes new questions, "
        f"with --candidates {passing[0]}."
    )


def _cautions(d: LeaveDecision) -> tuple[str, ...]:
    r, n = d.results, len(d.used)
    found = []
    if d.failed > d.unpaid:
        found.append(
            f"The model in use answered {len(r.items) - d.failed:,} of {len(r.items):,} questions; the first other one "
            f"failed with: {shorten(_first_error(d), 140).rstrip('.')}. Such questions take no part."
        )
    if d.leaked:
        found.append(f"{d.leaked:,} questions take no part: they also stand in the training rows.")
    if n and n < FEW:
        found.append(f"{n:,} questions are few: only a large difference can be shown.")
    for name, who in ((d.facts.incumbent, "The model in use"), (d.test.name, d.test.name)):
        found += _of_a_variant(r, name, who)
    if r.test_use is not None:
        found += about_earlier_use(r.test_use, d.test.score.value, n)
    found += about_synthetic_questions(r.task)
    found += about_teaching(d)
    found += about_judges(r.task, r.judges)
    if not d.facts.local and not d.facts.versions:
        found.append("The provider may have changed the model behind its name: no version was reported.")
    unchecked = [leak.level for leak in r.leaks if leak.unchecked]
    if unchecked:
        found.append(f"Leaks were not looked for at every level ({listed(dict.fromkeys(unchecked))} is missing).")
    more = len(found) - MOST_CAUTIONS
    return tuple(found[:MOST_CAUTIONS]) + ((f"{more} more: see report.html.",) if more > 0 else ())


def _first_error(d: LeaveDecision) -> str:
    answers = (item.answers.get(d.facts.incumbent) for item in d.results.items)
    errors = (a.error for a in answers if a is not None and a.error)
    return next((error for error in errors if not error.startswith(UNPAID)), "no answer")


def _of_a_variant(r: Results, name: str, who: str) -> list[str]:
    variant = find_variant(r, name)
    if variant is None:
        return []
    found = []
    unread = variant.metrics.get("parse_failure")
    if unread is not None and unread.value is not None and unread.value > UNREADABLE:
        found.append(f"{who}: {percent(unread.value)} of its answers do not name a label, and count as wrong.")
    if variant.failures and who == name:
        found.append(f"{who}: {variant.failures:,} questions failed, and score 0.")
    return found


def _verify(folder: str, sha256: str) -> tuple[str, ...]:
    place = shlex.quote(one_line(folder))
    check = f"sha256sum {shlex.quote(one_line(str(Path(folder) / 'results.json')))}   # {sha256}"
    return (f"domainkit report {place}", *((check,) if sha256 else ()))


__all__ = ["Certificate", "certificate_of", "headline"]
