"""The section on cost: its sentences, and the cells of its table."""

from __future__ import annotations

from domainkit.results.schema import BreakEven, Cost, Estimate, VariantCost
from domainkit.verdict.numbers import DASH, is_finite, money, volume


def unknown(cost: Cost) -> list[str]:
    """Sentences on the variants that are not drawn."""
    return [
        f"{v.name}: {v.reason if v.per_thousand.value is not None else v.per_thousand.reason}"
        for v in cost.variants
        if v.fixed is None or v.per_thousand.value is None
    ]


def spread_text(e: Estimate, scale: float = 1.0) -> str:
    """0.0043 to 0.0052; "from 0.0043" where there is no upper end."""
    if e.value is None or not is_finite(e.low):
        return ""
    low = money(scale * (e.low or 0.0))
    return f"from {low}" if e.high is None else f"{low} to {money(scale * e.high)}"


def fixed_text(v: VariantCost) -> str:
    return DASH if v.fixed is None else money(v.fixed)


def break_even_sentence(b: BreakEven) -> str:
    """The break-even in one sentence, and whether the rival is an equal."""
    worse = f" {b.rival} is shown to answer worse." if b.rival_worse else ""
    return _break_even(b) + worse


def _break_even(b: BreakEven) -> str:
    if b.state == "never":
        return f"{b.variant} never becomes cheaper than {b.rival}: {b.reason}."
    if b.state == "unknown":
        return f"{b.variant} against {b.rival}: not known, because {b.reason}."
    if b.state == "at once" or (b.high is not None and b.high < 1):
        return f"{b.variant} is cheaper than {b.rival} from the first question."
    if b.high is None:
        return (
            f"{b.variant} becomes cheaper than {b.rival} from about {volume(b.questions)} questions "
            f"(at least {volume(b.low)}, no upper end): {b.reason}."
        )
    return (
        f"{b.variant} becomes cheaper than {b.rival} from about {volume(b.questions)} questions "
        f"({volume(b.low)} to {volume(b.high)})."
    )


def price_sentences(cost: Cost) -> list[str]:
    """The prices, and which of them are domainkit's defaults."""
    p = cost.prices
    sentences = [
        f"Prices in {p.currency}: a machine-hour {money(p.machine_hour)}"
        + (f" (training {money(p.training_hour)})" if p.training_hour != p.machine_hour else "")
        + (
            f", a million tokens {money(p.input_per_million)} in and {money(p.output_per_million)} out"
            if p.input_per_million is not None
            else ""
        )
        + f", a labelled example {money(p.label)}; from {p.source}."
    ]
    if p.defaults:
        sentences.append(f"Defaults of domainkit: {', '.join(p.defaults)}. Set your own with --prices FILE.")
    return sentences
