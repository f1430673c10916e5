"""Models that a command names beside the base."""

from __future__ import annotations

from typing import Any

import pytest

from domainkit.cli.named_models import take_models
from domainkit.errors import ConfigError


def test_words_win_over_settings_and_those_over_the_run_files_table() -> None:
    values: dict[str, Any] = {"seed": 1, "models": {"a": "one:1", "b": "two:2"}, "models.b": "two:3", "models.c": "m:1"}
    assert take_models(values, ["c=server:http://h:1#x=y"]) == {
        "a": "one:1",
        "b": "two:3",
        "c": "server:http://h:1#x=y",
    }
    assert values == {"seed": 1}


@pytest.mark.parametrize(
    ("values", "words", "wrong"),
    [
        ({}, ["gpt"], "'gpt' is not NAME=SPEC"),
        ({}, ["=openai:x"], "is not NAME=SPEC"),
        ({}, ["gpt= "], "is not NAME=SPEC"),
        ({}, ["gpt=a:b", "gpt=c:d"], "the model 'gpt' is named twice"),
        ({"models": ["openai:x"]}, [], "is not a table"),
        ({"models": {"gpt": 5}}, [], "models.gpt: 5 is not text"),
        ({"models.gpt": 5}, [], "models.gpt: 5 is not text"),
    ],
)
def test_what_is_no_model_is_named(values: dict[str, Any], words: list[str], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        take_models(values, words)
