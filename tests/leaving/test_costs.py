"""Prices of both and the break-even; what is not known is said."""

from __future__ import annotations

from domainkit.leaving.costs import break_even_sentence, price_text
from domainkit.leaving.decision import decide_leaving
from domainkit.results.schema import BreakEven, Cost, Estimate, Prices, VariantCost
from tests.leaving.made_up import FACTS, ONES, left

PRICES = Prices(machine_hour=0.1, training_hour=0.1, source="my.toml", defaults=("currency",))


def decision(*costs: VariantCost, local: bool = False, points: tuple[BreakEven, ...] = ()):  # type: ignore[no-untyped-def]
    facts = FACTS.model_copy(update={"local": local})
    cost = Cost(prices=PRICES, variants=costs, break_even=points)
    return decide_leaving(left({"incumbent": ONES, "tuned": ONES}, facts, cost=cost))


def cost(name: str, thousand: float, training: float = 0.0, paid_by: str = "tokens") -> VariantCost:
    per = Estimate(value=thousand, low=thousand, high=thousand, n=9)
    return VariantCost(name=name, paid_by=paid_by, per_thousand=per, per_correct=per, training=training)  # type: ignore[arg-type]


def test_the_break_even_is_that_of_these_two() -> None:
    d = decision(cost("incumbent", 1.0), cost("tuned", 0.5, 2.0, "machine time"))
    assert (price_text(d, "incumbent"), price_text(d, "tuned")) == ("1.00 (1.00 to 1.00)", "0.5 (0.5 to 0.5)")
    sentence, prices = break_even_sentence(d)
    assert sentence == "tuned becomes cheaper than incumbent from about 4,000 questions on (by the means)."
    assert prices == "Prices from my.toml; defaults of domainkit: currency."


def test_the_comparison_s_own_break_even_has_an_interval() -> None:
    point = BreakEven(variant="tuned", rival="incumbent", state="from", questions=4000, low=3000, high=5000)
    d = decision(cost("incumbent", 1.0), cost("tuned", 0.5, 2.0, "machine time"), points=(point,))
    assert break_even_sentence(d)[0] == (
        "tuned becomes cheaper than incumbent from about 4,000 questions (3,000 to 5,000)."
    )


def test_a_hosted_model_is_not_paid_in_time_of_this_machine() -> None:
    costs = cost("incumbent", 1.0, paid_by="machine time"), cost("tuned", 0.5, 2.0, "machine time")
    assert price_text(decision(*costs), "incumbent") == "not known"
    assert break_even_sentence(decision(*costs))[0].startswith(
        "Break-even: not known, because the price of the model in use is not. domainkit report FOLDER --prices FILE "
        'takes [variants.incumbent], or [models."openai:ft:gpt-4o-mini:desk"], with paid_by = "tokens"'
    )
    assert price_text(decision(*costs, local=True), "incumbent") == "1.00 (1.00 to 1.00)"


def test_a_dearer_candidate_never_breaks_even() -> None:
    d = decision(cost("incumbent", 0.5), cost("tuned", 1.0, 2.0, "machine time"))
    assert break_even_sentence(d)[0].startswith("tuned never becomes cheaper than incumbent")
