"""Run files, key=value words and flags; a typo names the near option."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.cli.settings import parse_value, read_settings, require, take_own_options
from domainkit.errors import ConfigError
from domainkit.training.config import TrainConfig, parse_config


def test_the_later_wins(tmp_path: Path) -> None:
    run = tmp_path / "run.toml"
    run.write_text('epochs = 1\nseed = 1\nschedule = "linear"\n[method]\nkind = "lora"\nrank = 4\n')
    values = read_settings([str(run), "epochs=2", "seed=2"], {"seed": 3, "base": None})
    assert values == {"epochs": 2, "seed": 3, "schedule": "linear", "method": {"kind": "lora", "rank": 4}}
    config = parse_config(values)
    assert (config.epochs, config.method, config.method_options) == (2, "lora", {"rank": 4})


@pytest.mark.parametrize(
    "text,value",
    [
        ("3", 3),
        ("1e-4", 1e-4),
        ("true", True),
        ("linear", "linear"),
        ("[1, 2]", [1, 2]),
        ("a b", "a b"),
        ("", ""),
        ("1\nx = 2", "1\nx = 2"),
        ("1 # one", "1 # one"),
        ("'#1'", "#1"),
        ("[" * 5000, "[" * 5000),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_values_are_toml_or_text(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_dotted_keys_are_the_methods_options() -> None:
    assert parse_config({"method.rank": 8}).method_options == {"rank": 8}


@pytest.mark.parametrize(
    "call,said",
    [
        (lambda: read_settings(["a.toml", "b.toml"], {}), "more than one run file: a.toml, b.toml"),
        (lambda: read_settings(["missing.toml"], {}), "missing.toml: cannot be read"),
        (lambda: read_settings(["epochs"], {}), "'epochs' is neither a .toml run file nor key=value"),
        (lambda: take_own_options({"epoch": 1}, ("data",), TrainConfig.model_fields), "did you mean 'epochs'?"),
        (lambda: require({"data": None}, "data", "out"), "missing: --data, --out"),
        (lambda: parse_config({"epochs": 0}), "epochs=0: input should be greater than 0"),
        (
            lambda: parse_config({"quantization": "nf5"}),
            "quantization='nf5': input should be 'auto', 'nf4', 'int8' or 'none'",
        ),
        (lambda: parse_config({"epochz": 1}), "unknown option 'epochz' (did you mean 'epochs'?)"),
    ],
)
def test_bad_settings_say_what_and_where(call: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        call()  # type: ignore[operator]
    assert said in str(caught.value)


def test_bad_toml_names_line(tmp_path: Path) -> None:
    run = tmp_path / "run.toml"
    run.write_text("epochs = 1\nseed == 2\n")
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 2"):
        read_settings([str(run)], {})
