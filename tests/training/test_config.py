"""Configurations: names, values, and the dump that content keys are made of."""

from __future__ import annotations

import pytest

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
