"""Cost: pure sums with intervals, and the break-even that follows from them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.results.schema import (
    AnswerRow,
    Cost,
    Item,
    Portfolio,
    Results,
    TaskFacts,
    TrainingReceipt,
    VariantCost,
    VariantResult,
    Verdict,
)
from domainkit.verdict.costs.cost import cost_of, cost_per_score, mean_cost, reprice, seconds_cost, tokens_cost
from domainkit.verdict.costs.prices import read_prices

amounts = st.floats(0, 1e3, allow_nan=False) | st.floats(1e-9, 1e-3)
costs = st.lists(amounts, min_size=1, max_size=25)


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers_in(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers_in(v)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize(("seconds", "hour", "wanted"), [(3600, 0.1, 0.1), (36, 10, 0.1), (0, 5, 0), (None, 1, None)])
def test_machine_time_is_paid_by_the_hour(seconds: float | None, hour: float, wanted: float | None) -> None:
    assert seconds_cost(seconds, hour) == (wanted if wanted is None else pytest.approx(wanted))


def test_tokens_are_paid_by_the_million() -> None:
    assert tokens_cost(1_000_000, 500_000, 0.15, 0.6) == pytest.approx(0.45)
    assert tokens_cost(None, 5, 0.15, 0.6) is None
    assert tokens_cost(5, 5, None, 0.6) is None


@given(costs)
def test_a_mean_lies_in_its_interval_and_scales(values: list[float]) -> None:
    found, thousand = mean_cost(values), mean_cost(values, scale=1000)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value * (1 + 1e-9)
    assert found.value <= found.high * (1 + 1e-9)
    assert thousand.value == pytest.approx(1000 * found.value, rel=1e-9)
    assert not [n for n in numbers_in(found.model_dump()) if not math.isfinite(n)]


def test_unknown_costs_are_left_out_and_said() -> None:
    assert mean_cost([None, None]).value is None
    assert mean_cost([None, None]).reason == "no compute time was measured"
    partly = mean_cost([2.0, None, 4.0])
    assert (partly.value, partly.n, partly.reason) == (3.0, 2, "1 of 3 questions: no compute time was measured")
    assert mean_cost([]).reason == "there are no questions"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(amounts, st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=20))
def test_cost_per_right_answer_is_the_sum_over_the_sum(rows: list[tuple[float, float]]) -> None:
    spent, right = [c for c, _ in rows], [s for _, s in rows]
    found = cost_per_score(spent, right)
    if not sum(right):
        assert (found.value, found.reason) == (None, "no answer was right")
        return
    assert found.value == pytest.approx(sum(spent) / sum(right))
    assert not [n for n in numbers_in(found.model_dump()) if not math.isfinite(n)]
    if found.low is not None and found.high is not None:
        assert found.low <= found.value * (1 + 1e-6) <= found.high * (1 + 2e-6)


def test_hardly_any_right_answers_have_no_upper_end() -> None:
    found = cost_per_score([1.0] * 40, [1.0] + [0.0] * 39)
    assert found.value == pytest.approx(40)
    assert (found.high, found.reason) == (None, "too few right answers for an upper end")


# ---- a whole comparison

SECONDS = {"zero-shot": 0.9, "few-shot": 1.2, "tuned": 0.3}
RIGHT = {"zero-shot": 0.3, "few-shot": 0.6, "tuned": 0.6}


def comparison(*, seconds: dict[str, float | None] | None = None, receipt: bool = True) -> Results:
    spent: dict[str, Any] = {**SECONDS, **(seconds or {})}
    families: dict[str, Any] = {"zero-shot": "prompt", "few-shot": "prompt", "tuned": "tune"}
    items = tuple(
        Item(
            id=str(i),
            input="?",
            target="x",
            answers={
                name: AnswerRow(
                    text="x",
                    scores={"label_accuracy": float(i % 10 < 10 * RIGHT[name])},
                    prompt_tokens=100,
                    completion_tokens=5,
                    seconds=None if spent[name] is None else spent[name] * (0.9 + 0.02 * (i % 11)),
                )
                for name in SECONDS
            },
        )
        for i in range(100)
    )
    few = {"shots": 8, "chosen": "fixed"}
    return Results(
        task=TaskFacts(name="t", kind="label", n=100, primary_metric="label_accuracy", fingerprint="f", train_rows=400),
        baseline="few-shot",
        variants=tuple(
            VariantResult(
                name=n, family=families[n], description="", metrics={}, settings=few if n == "few-shot" else {}
            )
            for n in SECONDS
        ),
        verdict=Verdict(answer="fine-tune", choice="tuned", headline=""),
        items=items,
        training=TrainingReceipt(
            method="lora", examples=400, tokens=1, seconds=7200, trainable_parameters=1, adapter_bytes=1
        )
        if receipt
        else None,
        environment={"hardware": {"cores": 2}},
    )


def of(cost: Cost, name: str) -> VariantCost:
    return next(v for v in cost.variants if v.name == name)


def test_a_comparison_is_priced_from_what_was_measured() -> None:
    cost = cost_of(comparison(), read_prices())
    assert of(cost, "tuned").per_thousand.value == pytest.approx(1000 * 0.3 * 0.9995 * 0.10 / 3600, rel=1e-2)
    assert of(cost, "tuned").training == pytest.approx(0.2)
    assert of(cost, "tuned").tokens_per_thousand == pytest.approx(1000 * (100 * 0.15 + 5 * 0.6) / 1e6)
    assert of(cost, "few-shot").fixed == 0
    assert cost.prices.machine_hour == 0.10
    assert "machine.cpu_hour" in cost.prices.defaults
    assert "machine.gpu_hour" not in cost.prices.defaults  # no GPU took part
    first = cost.break_even[0]
    assert (first.variant, first.rival, first.state, first.rival_worse) == ("tuned", "few-shot", "from", False)
    assert first.questions == pytest.approx(0.2 / (0.9 * 0.9995 * 0.10 / 3600), rel=1e-2)
    assert [b.rival_worse for b in cost.break_even] == [False, True]


def test_prices_of_your_own_change_who_pays_what(tmp_path: Any) -> None:
    file = tmp_path / "my.toml"
    file.write_text(
        "[labels]\nexample = 0.5\n[machine]\ncpu_hour = 1\n"
        '[variants.few-shot]\npaid_by = "tokens"\ninput = 10\noutput = 0\n'
    )
    cost = cost_of(comparison(), read_prices(file))
    assert of(cost, "few-shot").paid_by == "tokens"
    assert of(cost, "few-shot").per_thousand.value == pytest.approx(1.0)
    assert of(cost, "few-shot").labels == pytest.approx(4.0)  # the eight it shows
    assert of(cost, "tuned").fixed == pytest.approx(2.0 + 200.0)
    assert set(cost.prices.defaults) == {"currency", "tokens.input", "tokens.output"}


def test_what_is_not_known_is_none_with_its_reason() -> None:
    unreceipted = cost_of(comparison(receipt=False), read_prices())
    assert of(unreceipted, "tuned").fixed is None
    assert unreceipted.break_even[0].state == "unknown"
    untimed = cost_of(comparison(seconds={"tuned": None}), read_prices())
    assert of(untimed, "tuned").per_thousand.reason == "no compute time was measured"
    assert untimed.break_even[0].reason == "no question has a cost for both"
    alone = comparison().model_copy(update={"variants": comparison().variants[:2]})
    assert cost_of(alone, read_prices()).reason == "no trained variant took part"


def test_cost_survives_the_file(tmp_path: Any) -> None:
    results = comparison().model_copy(update={"cost": cost_of(comparison(), read_prices())})
    results.save(tmp_path / "results.json")
    assert Results.load(tmp_path) == results


def test_other_prices_need_the_results_alone(tmp_path: Any) -> None:
    file = tmp_path / "my.toml"
    file.write_text('currency = "EUR"\n')
    again = reprice(Portfolio(title="", comparisons=(comparison(),)), file)
    assert isinstance(again, Portfolio)
    assert again.comparisons[0].cost is not None
    assert again.comparisons[0].cost.prices.currency == "EUR"
