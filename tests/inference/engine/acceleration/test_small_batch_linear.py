"""Linear layers over few tokens: the same numbers as torch's, for the layers and the machine that gain by it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.functional import linear
from transformers import AutoModelForCausalLM

from domainkit.inference.engine.acceleration.small_batch_linear import (
    MAX_TOKENS,
    MIN_TOKENS,
    SmallBatchLinear,
    use_small_batch_linear,
)


def small_batch_layer(bias: bool) -> SmallBatchLinear:
    torch.manual_seed(0)
    return SmallBatchLinear(torch.nn.Linear(24, 40, bias=bias))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tokens", [0, 1, MIN_TOKENS - 1, MIN_TOKENS, 20, MAX_TOKENS, MAX_TOKENS + 1])
@torch.inference_mode()
def test_same_numbers_as_linear(tokens: int, bias: bool) -> None:
    layer = small_batch_layer(bias)
    for x in (torch.randn(tokens, 1, 24), torch.randn(1, tokens, 24), torch.randn(tokens, 48)[:, ::2]):
        output = layer(x)
        assert output.is_contiguous()
        torch.testing.assert_close(output, linear(x, layer.weight, layer.bias), rtol=1e-5, atol=1e-5)


def test_other_numbers_of_tokens_fall_back_on_linear(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, seen = small_batch_layer(False), []
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: seen.append(len(x)) or linear(x, self.weight))
    for tokens in (1, MIN_TOKENS - 1, MIN_TOKENS, MAX_TOKENS, MAX_TOKENS + 1):
        layer(torch.randn(tokens, 24))
    assert seen == [1, MIN_TOKENS - 1, MAX_TOKENS + 1]


def test_gradients_and_copies_are_those_of_a_linear_layer() -> None:
    layer = small_batch_layer(True)
    other = copy.deepcopy(layer)
    other.weight.data.zero_()
    x = torch.randn(8, 24, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(8, -1), rtol=1e-5, atol=1e-5)
    assert torch.equal(other(x), other.bias.expand(8, -1)), "a copy computes with its own weights"


class Special(torch.nn.Linear):
    """A layer with a computation of its own, as quantised ones are."""


class Model(torch.nn.ModuleList):
    def __init__(self, device: str = "cpu") -> None:
        super().__init__([torch.nn.Linear(4, 4), Special(4, 4), torch.nn.Linear(4, 4, dtype=torch.bfloat16)])
        self.device = torch.device(device)


def kinds_after_replacement(model: Any) -> list[type]:
    use_small_batch_linear(model)
    return [type(m) for m in model]


def test_only_plain_float32_layers_on_a_cpu_with_mkl_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert kinds_after_replacement(Model()) == [SmallBatchLinear, Special, torch.nn.Linear]
    assert kinds_after_replacement(Model("meta")) == [torch.nn.Linear, Special, torch.nn.Linear]
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert kinds_after_replacement(Model()) == [torch.nn.Linear, Special, torch.nn.Linear]


@torch.inference_mode()
def test_a_model_answers_the_same_and_keeps_its_tied_weights(tiny_base: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    ids = torch.arange(10, 30)[None]
    expected, names = model(ids).logits, list(model.state_dict())
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    use_small_batch_linear(model)
    torch.testing.assert_close(model(ids).logits, expected, rtol=1e-4, atol=1e-5)
    assert list(model.state_dict()) == names
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied
