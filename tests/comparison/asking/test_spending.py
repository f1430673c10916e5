"""A budget in money: kept while a real server on loopback answers, told when it ends the run, refused where no price is
known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit import Results, compare
from domainkit.comparison.asking.spending import BudgetError, Spending
from domainkit.errors import ConfigError
from domainkit.evaluation.answers_on_disk import Row
from domainkit.verdict.costs.payment import Payment
from tests.hosted_server import Hosted, hosted

N = 12


@pytest.fixture
def provider() -> Iterator[Hosted]:
    with hosted(lambda body: json.dumps({"answer": "red"})) as made:
        made.usage = {"prompt_tokens": 80_000, "completion_tokens": 10_000, "total_tokens": 90_000}
        yield made


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text("[models.gpt]\ninput = 1.0\noutput = 2.0\n", encoding="utf-8")  # 0.10 a question
    return path


def run(provider: Hosted, folder: Path, **options: Any) -> Results:
    task = folder / "test.jsonl"
    lines = [json.dumps({"input": f"Number {i}", "target": ("red", "blue")[i % 2]}) for i in range(N)]
    task.write_text("\n".join(lines), encoding="utf-8")
    given: dict[str, Any] = {"latency_items": 0, "concurrency": 4, "models": {"gpt": provider.model()}, **options}
    return compare(task, ["zero-shot@gpt"], folder / "run", **given)


def test_the_run_ends_before_the_budget_is_passed_and_goes_on_with_another(
    provider: Hosted, tmp_path: Path, prices: Path
) -> None:
    with pytest.raises(BudgetError) as raised:
        run(provider, tmp_path, prices=str(prices), budget=0.55)
    assert len(provider.answered) == 5
    assert raised.value.exit_code == 3
    assert str(raised.value) == (
        "budget: the budget of 0.55 USD ends the run before all is asked "
        "(0.5 USD spent; answered: zero-shot@gpt 5 of 12)\n  next: run the same command again with --budget: it asks "
        "only what is missing; about 0.7 USD would pay for the rest"
    )
    results = run(provider, tmp_path, prices=str(prices), budget=0.7)
    assert len(provider.answered) == N
    assert results.cost is not None
    cost = next(c for c in results.cost.variants if c.name == "zero-shot@gpt")
    assert (cost.paid_by, cost.per_thousand.value) == ("tokens", pytest.approx(100))


def test_the_timing_is_within_the_budget(
    provider: Hosted, tmp_path: Path, prices: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(provider, tmp_path, prices=str(prices), budget=1.45, latency_items=5)
    assert len(provider.bodies) == 14
    assert "the budget does not pay for the timing of zero-shot@gpt" in caplog.text


def test_a_budget_without_a_price_is_refused_before_any_question(provider: Hosted, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        run(provider, tmp_path, budget=1.0)
    assert "variant 'zero-shot@gpt' would be asked within a budget, but the price" in str(raised.value)
    assert "[models.gpt] with input and output" in str(raised.value)
    assert provider.bodies == []


def test_a_provider_that_reports_no_tokens_ends_its_variant(provider: Hosted, tmp_path: Path, prices: Path) -> None:
    provider.usage = None
    results = run(provider, tmp_path, prices=str(prices), budget=1.0)
    assert list(results.failed) == ["zero-shot@gpt"]
    assert len(provider.bodies) == 1


def test_without_a_price_the_cost_is_not_known(provider: Hosted, tmp_path: Path) -> None:
    results = run(provider, tmp_path)
    assert results.cost is not None
    cost = next(c for c in results.cost.variants if c.name == "zero-shot@gpt")
    assert (cost.paid_by, cost.per_thousand.value, cost.tokens_per_thousand) == ("tokens", None, None)
    assert "--prices takes [models.gpt]" in cost.per_thousand.reason


def test_what_is_on_disk_is_not_paid_again_and_tells_what_the_next_costs() -> None:
    spending = Spending(1.0, "USD", {"key": Payment("tokens", 1.0, 0.1, 2.0)})
    row = Row(key="key", variant="v", id="1", prompt_tokens=500_000, cached_tokens=400_000, completion_tokens=100_000)
    assert spending.has_room("key", 0)
    assert not spending.has_room("key", 1), "the first shows what one costs"
    spending.charge("key", row, now=False)
    assert (spending.spent, spending.mean("key")) == (0.0, pytest.approx(0.34))
    assert spending.has_room("key", 1)
    assert not spending.has_room("key", 2)
    assert spending.has_room("other", 9), "not paid by tokens"
