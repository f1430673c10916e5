"""What both answer for: the price of a thousand answers, and from how many on the candidate is cheaper."""

from __future__ import annotations

from domainkit.leaving.decision import LeaveDecision
from domainkit.report.sections.cost_section import break_even_sentence as known_sentence
from domainkit.report.sections.cost_section import spread_text
from domainkit.results.schema import BreakEven, VariantCost
from domainkit.verdict.costs.break_even import break_even
from domainkit.verdict.costs.payment import toml_key
from domainkit.verdict.numbers import money, volume

NOT_PRICED = "its price is not known"
PRICE_ENTRY = '[variants.incumbent], or [models.{}], with paid_by = "tokens", input and output, per million tokens'


def cost_of(d: LeaveDecision, name: str) -> VariantCost | None:
    """The variant's cost; None where it is not known. A hosted model is not paid in time of this machine."""
    costs = d.results.cost.variants if d.results.cost else ()
    found = next((c for c in costs if c.name == name), None)
    if found is None or found.per_thousand.value is None:
        return None
    if name == d.facts.incumbent and not d.facts.local and found.paid_by != "tokens":
        return None
    return found


def price_text(d: LeaveDecision, name: str) -> str:
    """0.042 (0.040 to 0.044)."""
    found = cost_of(d, name)
    if found is None or found.per_thousand.value is None:
        return "not known"
    spread = spread_text(found.per_thousand)
    return f"{money(found.per_thousand.value)}{f' ({spread})' if spread else ''}"


def break_even_sentence(d: LeaveDecision) -> tuple[str, ...]:
    """The sentences on cost."""
    ours, theirs = cost_of(d, d.test.name), cost_of(d, d.facts.incumbent)
    if d.results.cost is None:
        return ("Cost was not counted.",)
    defaults = d.results.cost.prices.defaults
    prices = (f"Prices from {d.results.cost.prices.source}; defaults of domainkit: {', '.join(defaults)}.",)
    if theirs is None and not d.used:
        return ("Break-even: not known, because the model in use gave no answer.",)
    if theirs is None:
        again = f"domainkit report FOLDER --prices FILE takes {PRICE_ENTRY.format(toml_key(d.facts.model))}"
        return (
            f"Break-even: not known, because the price of the model in use is not. {again}.",
            *prices * bool(defaults),
        )
    if ours is None:
        return (f"Break-even: not known, because {d.test.name} has no cost.", *prices * bool(defaults))
    return (_sentence(d, ours, theirs), *prices * bool(defaults))


def _sentence(d: LeaveDecision, ours: VariantCost, theirs: VariantCost) -> str:
    """With its interval where the comparison counted this very pair; else from the two means."""
    assert d.results.cost is not None, "both have a cost"
    taught = d.facts.taught.money if d.facts.taught else None
    if taught and ours.training is not None:  # the comparison knows of no teacher
        ours = ours.model_copy(update={"training": ours.training + taught})
        return _without_interval(break_even(ours, theirs, [_saved(ours, theirs)]))
    pair = (ours.name, theirs.name)
    known = next((b for b in d.results.cost.break_even if (b.variant, b.rival) == pair), None)
    if known is not None:
        return known_sentence(known)
    return _without_interval(break_even(ours, theirs, [_saved(ours, theirs)]))


def _saved(ours: VariantCost, theirs: VariantCost) -> float:
    """By each question, in the mean."""
    return ((theirs.per_thousand.value or 0.0) - (ours.per_thousand.value or 0.0)) / 1000


def teaching_money(d: LeaveDecision) -> str | None:
    """What the teaching cost; None where it is not known, or nothing was taught."""
    cost, taught = d.results.cost, d.facts.taught
    if taught is None or taught.money is None or cost is None:
        return None
    return f"{money(taught.money)} {cost.prices.currency}"


def _without_interval(b: BreakEven) -> str:
    if b.state == "from":
        return (
            f"{b.variant} becomes cheaper than {b.rival} from about {volume(b.questions)} questions on (by the means)."
        )
    return known_sentence(b)
