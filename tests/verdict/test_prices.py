"""The price table: defaults that are named, and mistakes that are."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.verdict.prices import had_gpu, read_prices


def test_the_defaults_say_that_they_are() -> None:
    table = read_prices()
    assert table.source == "the defaults of domainkit"
    assert "tokens.input" in table.defaults
    assert "currency" in table.defaults


def test_what_is_given_is_no_default(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('currency = "EUR"\n[machine]\ngpu_hour = 2.5\n')
    table = read_prices(file)
    assert table.machine.gpu_hour == 2.5
    assert table.machine.cpu_hour == 0.10
    prices = table.for_hardware({"gpus": ["one"]}, "cpu")
    assert (prices.currency, prices.machine_hour, prices.training_hour) == ("EUR", 2.5, 0.10)
    assert prices.defaults == ("machine.cpu_hour", "tokens.input", "tokens.output", "labels.example")


@pytest.mark.parametrize(
    ("hardware", "wanted"),
    [({"gpus": ["H100"]}, True), ({"gpus": []}, False), ({"cores": 2}, False), ("", False), ("1 × NVIDIA L4", True),
     ("{'processor': 'x', 'gpus': ['A']}", True), ("{'cores': 2}", False)],
)  # fmt: skip
def test_a_gpu_is_told_from_any_record(hardware: object, wanted: bool) -> None:
    assert had_gpu(hardware) is wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[machine]\ncpu_hour = -1\n", "machine.cpu_hour: input should be greater than or equal to 0"),
        ("[machine]\ncpu_hours = 1\n", "machine.cpu_hours: extra inputs are not permitted"),
        ("[machine]\ncpu_hour = nan\n", "machine.cpu_hour"),
        ("machine = 3\n", "'machine' is no table"),
        ('source = "x"\n', "unknown entry 'source'"),
        ('[variants.tuned]\npaid_by = "hope"\n', "variants.tuned.paid_by"),
        ("[machine\n", "is not valid TOML"),
    ],
)
def test_a_wrong_table_names_the_entry(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_prices(file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")
