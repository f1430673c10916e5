"""LoRA attaches to every linear layer but the head, and changes nothing before it is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from domainkit.errors import ConfigError
from domainkit.training.base import load_base
from domainkit.training.methods import METHODS, attach, parse_method

IDS = torch.tensor([[1, 30, 40, 50, 2]])


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("options", [{}, {"rslora": True, "rank": 4}, {"dora": True, "rank": 4}])
def test_a_fresh_adapter_changes_no_logit(tiny_base: str, quantization: Any, options: dict[str, Any]) -> None:
    model = load_base(tiny_base, quantization=quantization).model
    with torch.no_grad():
        before = model(IDS).logits
        tuned = attach(parse_method("lora", options), model)
        difference = (tuned(IDS).logits - before).abs().max()
    assert difference <= (1e-4 if options.get("dora") else 0)  # DoRA divides by a norm and multiplies by it again


def test_rank_alpha_and_targets(tiny_base: str) -> None:
    model = attach(parse_method("lora", {"rank": 8}), load_base(tiny_base, quantization="none").model)
    config = model.peft_config["default"]
    assert (config.r, config.lora_alpha) == (8, 16)
    adapted = [n for n, _ in model.named_parameters() if "lora_A" in n]
    assert len(adapted) == 14
    assert not any("lm_head" in n for n in adapted)
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)


def test_only_named_targets(tiny_base: str) -> None:
    model = attach(parse_method("lora", {"target": ["q_proj"]}), load_base(tiny_base, quantization="none").model)
    assert len([n for n, p in model.named_parameters() if p.requires_grad]) == 4


def test_wrong_options_name_the_near_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_method("lora", {"ranks": 4, "dropout": 2})
    text = str(caught.value)
    assert "unknown option 'ranks' (did you mean 'rank'?)" in text
    assert "method.dropout=2" in text
    with pytest.raises(ConfigError, match="did you mean 'lora'"):
        parse_method("lorra", {})


def test_unknown_targets_are_told(tiny_base: str) -> None:
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
