"""The price table: defaults that are named, and mistakes that are."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.results.schema import Hardware
from domainkit.verdict.costs.prices import has_gpu, read_prices


def test_defaults_are_named_as_defaults() -> None:
    table = read_prices()
    assert table.source == "the defaults of domainkit"
    assert "tokens.input" in table.defaults
    assert "currency" in table.defaults


def test_a_price_in_the_file_is_not_a_default(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('currency = "EUR"\n[machine]\ngpu_hour = 2.5\n')
    table = read_prices(file)
    assert table.machine.gpu_hour == 2.5
    assert table.machine.cpu_hour == 0.10
    prices = table.for_machines(Hardware(gpus=("one",)), None)
    assert (prices.currency, prices.machine_hour, prices.training_hour) == ("EUR", 2.5, 0.10)
    assert prices.defaults == ("machine.cpu_hour", "tokens.input", "tokens.output", "labels.example")


@pytest.mark.parametrize(
    ("machine", "has"),
    [(Hardware(gpus=("H100",)), True), (Hardware(processor="Xeon", cores=2), False), (None, False)],
)
def test_a_machine_has_a_gpu_where_its_record_names_one(machine: Hardware | None, has: bool) -> None:
    assert has_gpu(machine) is has


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[machine]\ncpu_hour = -1\n", "machine.cpu_hour: input should be greater than or equal to 0"),
        ("[machine]\ncpu_hours = 1\n", "machine.cpu_hours: extra inputs are not permitted"),
        ("[machine]\ncpu_hour = nan\n", "machine.cpu_hour"),
        ("machine = 3\n", "'machine' is not a table"),
        ('source = "x"\n', "unknown entry 'source'"),
        ('[variants.tuned]\npaid_by = "hope"\n', "variants.tuned.paid_by"),
        ("[machine\n", "is not valid TOML"),
    ],
)
def test_a_wrong_table_names_the_entry(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_prices(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_true_is_no_price(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text("[machine]\ncpu_hour = true\n")
    with pytest.raises(ConfigError, match=r"wrong prices: machine\.cpu_hour: input should be a valid number"):
        read_prices(tmp_path / "prices.toml")
