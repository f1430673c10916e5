"""Every method declares its rate with the source; what PEFT cannot wrap is a domainkit error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from domainkit.adapters.adaptation import MethodHooks, target_modules
from domainkit.adapters.methods import METHODS, attach, parse_method
from domainkit.errors import ConfigError
from domainkit.models.load import load_base


def test_a_target_that_is_no_pattern_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"method.target: '\(\(\(' is not a regular expression"):
        target_modules("(((")


def test_unknown_targets_are_refused(tiny_base: str) -> None:
    with pytest.raises(ConfigError, match="no layers to adapt"):
        attach(parse_method("lora", {"target": ["nothing"]}), load_base(tiny_base, quantization="none").model)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_its_rate_and_its_source(name: str) -> None:
    method = METHODS.load(name)
    assert method().kind == name
    for parameters in (None, 10**8, 10**10):
        rate, source = method.default_learning_rate(parameters)
        assert 0 < rate < 1
        assert source


def test_small_bases_and_those_of_unknown_size_take_the_same_rate() -> None:
    lora = METHODS.load("lora")
    assert lora.default_learning_rate(None) == lora.default_learning_rate(10**9) == lora.default_rate_small
    assert lora.default_learning_rate(10**9 + 1) == lora.default_rate


def test_a_method_without_hooks_gets_those_that_do_nothing() -> None:
    found = MethodHooks()
    assert (found.virtual_tokens(), found.task_names(), found.state(None), found.penalty(None)) == (0, (), {}, None)
    assert parse_method("p_tuning", {"tokens": 3}).virtual_tokens() == 3


@pytest.mark.parametrize("name", ["lora", "ia3", "adalora", "boft"])
def test_sets_of_layers_are_written_in_one_order(tiny_base: str, tmp_path: Path, name: str) -> None:
    """A process draws the order of its sets: a set of another order stands for another process."""

    class Backwards(set[str]):
        def __iter__(self) -> Iterator[str]:
            return iter(sorted(super().__iter__(), reverse=True))

    method = parse_method(name, {})
    model = attach(method, load_base(tiny_base, quantization="none").model)
    config = model.peft_config["default"]
    sets = {field: value for field, value in vars(config).items() if isinstance(value, set)}
    assert any(len(value) > 1 for value in sets.values())
    for field, value in sets.items():
        setattr(config, field, Backwards(value))
    MethodHooks.save(method, model, tmp_path, {})
    written = json.loads((tmp_path / "adapter_config.json").read_text())
    assert {field: written[field] for field in sets} == {field: sorted(value) for field, value in sets.items()}
