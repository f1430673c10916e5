"""What a person who decides asks first: how good, how sure, at what cost, and what the answer rests on.

The page, the Markdown and the terminal show the same answers in the same order, from the results alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domainkit.evaluation.metrics import lower_is_better
from domainkit.report.wording import labels
from domainkit.report.wording.terms import meaning
from domainkit.report.wording.text import one_line
from domainkit.results.lookups import confidence_level, cost_per_thousand, find_variant
from domainkit.results.schema import Cost, Results, VariantCost, VariantResult
from domainkit.verdict import numbers
from domainkit.verdict.costs.prices import DEFAULTS
from domainkit.verdict.sentences import CANNOT_TELL, listed

NO_PRICES = (
    "No prices were given: these are domainkit's own round figures. Yours: domainkit report RUN --prices prices.toml."
)
NOT_COUNTED = "Not counted in this run. domainkit report RUN --prices prices.toml counts it."


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one of the questions."""

    question: Literal["How good?", "How sure?", "What does it cost?"]
    short: str
    """A figure or a few words, set large."""
    unit: str = ""
    lines: tuple[str, ...] = ()
    """Sentences below it."""


def answers(results: Results) -> tuple[Answer, ...]:
    """How good, how sure, at what cost. Where nothing is recommended, how sure alone."""
    chosen = find_variant(results, results.verdict.choice)
    if chosen is None:
        return (_sure(results, None),)
    return _good(results, chosen), _sure(results, chosen), _cost(results, chosen)


def what_it_is(variant: VariantResult) -> str:
    """The variant in one sentence, without the figures that its description may have in brackets."""
    text = one_line(variant.description).partition(" (")[0].rstrip(".")
    return f"{text}." if text else ""


# ---- how good --------------------------------------------------------------------------------------------------------


def _good(results: Results, chosen: VariantResult) -> Answer:
    score = labels.primary(results, chosen)
    if not numbers.is_finite(score.value):
        return Answer("How good?", numbers.DASH, lines=(score.reason,))
    level = f"{100 * confidence_level(results):.0f} % interval"
    spread = f", {level} {numbers.interval(score)}" if numbers.interval(score) else ""
    lines = [f"{labels.primary_heading(results)}{spread}."]
    if beside := _beside(results, chosen):
        lines.append("Beside it: " + ", ".join(beside) + ".")
    return Answer("How good?", numbers.percent(score.value), "%", tuple(lines))


def _beside(results: Results, chosen: VariantResult) -> list[str]:
    """What the score is read against: the best of the others, the baseline, and a guess among the labels."""
    scored = {
        v.name: value
        for v in results.variants
        if v.family != "oracle" and v is not chosen and (value := labels.primary(results, v).value) is not None
    }
    # Of a lower-is-better metric the least is the best.
    pick = min if lower_is_better(results.task.primary_metric) else max
    best = pick(scored, key=scored.__getitem__, default=None)
    roles = {best: "best of the others", results.baseline: "baseline"}
    if best == results.baseline:
        roles[best] = "baseline, and best of the others"
    shown = [f"{one_line(n)} {numbers.percent(scored[n])} % ({role})" for n, role in roles.items() if n in scored]
    chance = results.task.chance
    return [*shown, f"a guess among the labels {numbers.percent(chance)} %"] if chance else shown


# ---- how sure --------------------------------------------------------------------------------------------------------


def _sure(results: Results, chosen: VariantResult | None) -> Answer:
    verdict, n = results.verdict, f"{results.task.n:,} questions"
    if chosen is None:
        return Answer("How sure?", "Nothing is decided", lines=(f"{n} were asked.",))
    if verdict.without_leaks is not None and verdict.without_leaks.changed:
        clean = verdict.without_leaks
        text = f"Without the test questions that leaked, the answer is '{clean.answer}' ({clean.choice})."
        return Answer("How sure?", "It hangs on leaks", lines=(f"On {n}.", text))
    if verdict.answer == CANNOT_TELL:
        lines = [f"{n[:1].upper()}{n[1:]} do not settle it."]
        if verdict.tied:
            lines.append(f"Not told apart from {verdict.choice}: {listed(verdict.tied)}.")
        return Answer("How sure?", "Not settled", lines=tuple(lines))
    if verdict.tied:
        tied = f"{listed(verdict.tied)} may be as good: {verdict.choice} is the simplest of them."
        return Answer("How sure?", "Shown, with equals", lines=(f"On {n}.", tied))
    others = sum(v.family != "oracle" and v.name not in results.failed for v in results.variants) - 1
    worse = "the other variant" if others == 1 else f"each of the {others} other variants"
    return Answer(
        "How sure?", "Shown", lines=(f"On {n}, {worse} is shown to be worse, at 95 % over all comparisons together.",)
    )


# ---- at what cost ----------------------------------------------------------------------------------------------------


def _cost(results: Results, chosen: VariantResult) -> Answer:
    cost, time = results.cost, _time(results, chosen)
    own = next((v for v in cost.variants if v.name == chosen.name), None) if cost else None
    if cost is None or own is None:
        return Answer("What does it cost?", numbers.DASH, lines=(NOT_COUNTED, *time))
    currency = one_line(cost.prices.currency)
    lines = [_before(own, currency), *_of_others(cost, own, currency), *time, prices_note(cost)]
    if own.per_thousand.value is None:
        return Answer("What does it cost?", numbers.DASH, lines=(f"{own.per_thousand.reason}.", *filter(None, lines)))
    return Answer(
        "What does it cost?",
        numbers.money(own.per_thousand.value),
        currency,
        ("For 1,000 questions.", *filter(None, lines)),
    )


def _before(own: VariantCost, currency: str) -> str:
    if own.fixed is None:
        return f"Before the first question: not known, because {own.reason}."
    return f"Before the first question: {numbers.money(own.fixed)} {currency}." if own.fixed else ""


def _of_others(cost: Cost, own: VariantCost, currency: str) -> list[str]:
    """What the other variants cost, as a span."""
    values = [e.per_thousand.value for e in cost.variants if e is not own and e.per_thousand.value is not None]
    if not values:
        return []
    low, high = numbers.money(min(values)), numbers.money(max(values))
    return [f"The other variants: {low if low == high else f'{low} to {high}'} {currency}."]


def _time(results: Results, chosen: VariantResult) -> list[str]:
    seconds = chosen.usage.seconds_per_item
    return [f"Time: {numbers.seconds(seconds)} a question."] if numbers.is_finite(seconds) else []


def prices_note(cost: Cost) -> str:
    """Whose prices these are, where not all are the user's."""
    if not cost.prices.defaults:
        return ""
    if cost.prices.source == DEFAULTS:
        return NO_PRICES
    return f"Not in {one_line(cost.prices.source)}, so domainkit's own: {', '.join(cost.prices.defaults)}."


# ---- the sheet to print ----------------------------------------------------------------------------------------------


SHEET_ROWS = 8
"""Variants on the first printed page."""


def sheet_rows(results: Results) -> tuple[list[tuple[VariantResult, float | None]], int]:
    """The variants of the first printed page, each with what 1,000 questions cost, and how many are left out: those of
    the lowest scores go first, never the recommended one and the baseline."""
    kept = {results.verdict.choice, results.baseline}
    others = [v for v in results.variants if v.name not in kept]
    others.sort(key=lambda v: labels.primary(results, v).value or 0.0, reverse=True)
    kept |= {v.name for v in others[: SHEET_ROWS - len(kept)]}
    rows = [(v, cost_per_thousand(results, v.name)) for v in results.variants if v.name in kept]
    return rows, len(results.variants) - len(rows)


def sheet_words(results: Results) -> list[tuple[str, str]]:
    """The words that the first printed page explains, each with its meaning."""
    words = [(labels.primary_heading(results), meaning(results.task.primary_metric))]
    words += [(word, meaning(word.lower())) for word in ("Interval", "Baseline", "Points")]
    return [(word, text) for word, text in words if text]
