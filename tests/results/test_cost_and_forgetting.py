"""What is paid before the first question, and which break-even comes first."""

from __future__ import annotations

from domainkit.results.cost_and_forgetting import BreakEven, Cost, Prices, VariantCost
from domainkit.results.schema import Estimate


def variant_cost(training: float | None) -> VariantCost:
    return VariantCost(
        name="tuned",
        paid_by="machine time",
        per_thousand=Estimate(value=1.0),
        per_correct=Estimate(value=1.0),
        training=training,
        labels=2.0,
    )


def test_training_and_labels_are_paid_before_the_first_question() -> None:
    assert variant_cost(3.0).fixed == 5.0
    assert variant_cost(None).fixed is None


def test_the_first_break_even_is_against_the_rival_that_matters_most() -> None:
    points = tuple(BreakEven(variant="tuned", rival=r, state="at once") for r in ("rag", "zero-shot"))
    cost = Cost(prices=Prices(machine_hour=1, training_hour=1), variants=(), break_even=points)
    assert cost.main_break_even is points[0]
    assert cost.model_copy(update={"break_even": ()}).main_break_even is None
