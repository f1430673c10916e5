"""Help texts come from the fields of the configs."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from domainkit.cli.options import EPILOG_COMPARE, EPILOG_PREFER, EPILOG_TRAIN, describe_fields, field_help
from domainkit.comparison.config import CompareConfig
from domainkit.training.config import PreferenceConfig, TrainConfig


@pytest.mark.parametrize(
    "config,text,elsewhere",
    [
        (TrainConfig, EPILOG_TRAIN, {"base", "method"}),
        (CompareConfig, EPILOG_COMPARE, {"base"}),
        (PreferenceConfig, EPILOG_PREFER, {"base", "method", "objective"}),
    ],
)
def test_every_option_is_described_once(config: type[BaseModel], text: str, elsewhere: set[str]) -> None:
    for name in config.model_fields:
        assert field_help(config, name), f"{name} has no description"
        assert text.count(f"\n\n{name} (") == (name not in elsewhere)


def test_a_paragraph_has_name_default_and_meaning() -> None:
    assert "\n\nbase (builtin:smollm2-135m): Base model: " in "\n\n" + describe_fields(TrainConfig)
