"""Whose prices count: a variant's own, then its model's, then the table's; never a default for a hosted model."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.verdict.costs.payment import payment_of, toml_key
from domainkit.verdict.costs.prices import PriceTable, read_prices


def table(tmp_path: Path, text: str) -> PriceTable:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return read_prices(path)


def test_a_variants_own_prices_win_over_its_models(tmp_path: Path) -> None:
    prices = table(
        tmp_path,
        "[models.gpt]\ninput = 1.0\ncached_input = 0.1\noutput = 4.0\n"
        '[variants."few-shot@gpt"]\ninput = 3.0\n[variants."rag@gpt"]\npaid_by = "machine time"\n',
    )
    model = payment_of(prices, "zero-shot@gpt", "gpt", hosted=True)
    assert (model.paid_by, model.input, model.cached_input, model.output) == ("tokens", 1.0, 0.1, 4.0)
    assert model.of(1_000_000, 500_000, 400_000) == pytest.approx(0.6 + 0.04 + 2.0)
    assert model.of(1_000_000, 500_000) == pytest.approx(3.0)
    own = payment_of(prices, "few-shot@gpt", "gpt", hosted=True)
    assert (own.input, own.cached_input, own.output) == (3.0, None, 4.0)
    assert payment_of(prices, "rag@gpt", "gpt", hosted=True).paid_by == "machine time"


def test_a_hosted_model_has_no_default_price_and_a_local_one_is_paid_by_machine_time(tmp_path: Path) -> None:
    none = read_prices()
    hosted = payment_of(none, "few-shot@my model", "my model", hosted=True)
    assert (hosted.paid_by, hosted.is_known, hosted.of(10, 10)) == ("tokens", False, None)
    assert '--prices takes [models."my model"] with input and output, per million tokens' in hosted.reason
    local = payment_of(none, "few-shot@small", "small")
    assert (local.paid_by, local.reason) == ("machine time", "")
    half = payment_of(table(tmp_path, "[models.gpt]\ninput = 1.0\n"), "few-shot@gpt", "gpt", hosted=True)
    assert half.reason
    assert half.of(10, 10) is None
    given = payment_of(table(tmp_path, "[tokens]\ninput = 1.0\noutput = 2.0\n"), "few-shot@gpt", "gpt", hosted=True)
    assert given.is_known, "prices that the user gives for all rented models"


def test_a_misspelt_price_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"models\.gpt\.cache"):
        table(tmp_path, "[models.gpt]\ninput = 1.0\ncache = 0.1\n")


@pytest.mark.parametrize(("name", "key"), [("gpt-4_1", "gpt-4_1"), ("gpt-4.1", '"gpt-4.1"'), ('a"b', '"a\\"b"')])
def test_a_name_is_a_key_of_toml(name: str, key: str) -> None:
    assert toml_key(name) == key
