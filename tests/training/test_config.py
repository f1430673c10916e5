"""Configurations: names, values, and the dump that content keys are made of."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.adapters.methods import parse_method
from domainkit.errors import ConfigError
from domainkit.training.config import PreferenceConfig, TrainConfig, parse_config


def test_a_dump_without_new_options_is_what_it_was_before_them() -> None:
    """Names of adapter folders are hashes of the dump."""
    assert {"optimizer", "report_to"}.isdisjoint(TrainConfig().model_dump())
    assert {"optimizer", "report_to"}.isdisjoint(PreferenceConfig().model_dump())
    changed = TrainConfig(optimizer="sgd", report_to=("wandb",)).model_dump()
    assert (changed["optimizer"], changed["report_to"]) == ("sgd", ("wandb",))


def test_one_logger_may_be_given_as_a_word() -> None:
    assert parse_config({"report_to": "wandb"}).report_to == ("wandb",)
    assert parse_config({"report_to": ["wandb", "mlflow"]}).report_to == ("wandb", "mlflow")


def test_an_unknown_optimizer_is_an_error_that_lists_them() -> None:
    with pytest.raises(ConfigError, match="optimizer") as caught:
        parse_config({"optimizer": "lion"})
    assert "paged_adamw_8bit" in str(caught.value)


def test_a_misspelled_option_names_the_near_one() -> None:
    with pytest.raises(ConfigError, match="epochs"):
        parse_config({"epoch": 3})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 10**400}, "epochs="),
        ({"epochs": 1e9}, "epochs=1000000000.0: input should be less than or equal to 1000000"),
        ({"epochs": float("inf")}, "epochs=inf"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"seed": -1}, "seed=-1: input should be greater than or equal to 0"),
        ({"seed": 2**32}, "seed=4294967296: input should be less than 4294967296"),
        ({"method_options": 5}, "method_options: is int, not a table of the method's options"),
        ({"method_options": [["rank", 4]]}, "method_options: is list, not a table of the method's options"),
        ({"report_to": [1]}, "report_to"),
    ],
)
def test_a_value_that_no_run_could_use_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    assert said in str(caught.value)
    assert "next: " in str(caught.value)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("lora", {"rank": 10**9}, "method.rank=1000000000: input should be less than or equal to 65536"),
        ("lora", {"alpha": float("inf")}, "method.alpha=inf: input should be a finite number"),
        ("bottleneck", {"size": 10**9}, "method.size=1000000000"),
        ("prompt_tuning", {"tokens": 10**9}, "method.tokens=1000000000"),
        ("loreft", {"first": 10**30}, "method.first="),
    ],
)
def test_sizes_that_would_fill_the_memory_are_refused(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_method(method, options)
    assert said in str(caught.value)
