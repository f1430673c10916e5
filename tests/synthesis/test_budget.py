"""What models may cost: a call that would cross a limit is not made, and the limit is named."""

from __future__ import annotations

import pytest

from domainkit.synthesis.budget import Budget, Cost, TokenPrice, price_of
from domainkit.verdict.costs.prices import OwnPrices, PriceTable, read_prices

CALL = TokenPrice(input=2.0, output=10.0).of(1000, 100)


def test_costs_are_added_and_multiplied() -> None:
    assert Cost(1, 1000, 100, pytest.approx(0.003)) == CALL
    assert Cost(3, 3000, 300, pytest.approx(0.009)) == (CALL + CALL * 2)
    assert CALL.tokens == 1100


@pytest.mark.parametrize(
    "limit, room, ended_by",
    [
        ({}, 5, ""),
        ({"calls": 3}, 2, ""),
        ({"calls": 1}, 0, "1 calls"),
        ({"tokens": 3300}, 2, ""),
        ({"tokens": 2199}, 0, "2,199 tokens"),
        ({"money": 0.006}, 1, ""),
        ({"money": 0.005, "currency": "EUR"}, 0, "0.005 EUR"),
    ],
)
def test_as_many_calls_as_surely_fit(limit: dict[str, float], room: int, ended_by: str) -> None:
    budget = Budget(**limit)  # type: ignore[arg-type]
    budget.charge("writer", CALL)
    assert budget.room_for([CALL] * 5) == room
    assert budget.ended_by == ended_by


def test_room_is_held_for_the_checks_of_a_reply() -> None:
    budget = Budget(calls=4)
    assert budget.room_for([CALL] * 5, held=CALL * 2) == 2
    budget.charge("writer", CALL)
    budget.charge("judge", CALL * 2)
    assert budget.total.calls == 3


def test_a_model_of_this_machine_costs_no_tokens() -> None:
    prices: PriceTable = read_prices()
    assert price_of("m", prices, is_local=True) == TokenPrice()
    assert price_of("m", prices, is_local=False).output > 0
    ours = prices.model_copy(update={"models": {"m": OwnPrices(paid_by="machine time")}})
    assert price_of("m", ours, is_local=False) == TokenPrice()
