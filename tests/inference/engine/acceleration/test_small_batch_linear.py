"""Linear layers over few tokens: torch's own numbers in the other form, for the layers and the machine that gain by it."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import linear

from domainkit.inference.engine.acceleration.small_batch_linear import LEAST, MOST, FewRowsLinear, use_few_rows


def turned(bias: bool) -> Any:
    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 40, bias=bias)
    layer.__class__ = FewRowsLinear
    return layer


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("tokens", [0, 1, LEAST - 1, LEAST, 20, MOST, MOST + 1])
@torch.inference_mode()
def test_the_numbers_are_those_of_linear(tokens: int, bias: bool) -> None:
    layer = turned(bias)
    for x in (torch.randn(tokens, 1, 24), torch.randn(1, tokens, 24), torch.randn(tokens, 48)[:, ::2]):
        found = layer(x)
        assert found.is_contiguous()
        torch.testing.assert_close(found, linear(x, layer.weight, layer.bias), rtol=1e-5, atol=1e-5)


def test_only_few_tokens_are_computed_so(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, seen = turned(False), []
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: seen.append(len(x)) or linear(x, self.weight))
    for tokens in (1, LEAST - 1, LEAST, MOST, MOST + 1):
        layer(torch.randn(tokens, 24))
    assert seen == [1, LEAST - 1, MOST + 1]


def test_gradients_and_copies_are_those_of_a_linear_layer() -> None:
    layer = turned(True)
    other = copy.deepcopy(layer)
    other.weight.data.zero_()
    x = torch.randn(8, 24, requires_grad=True)
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(8, -1), rtol=1e-5, atol=1e-5)
    assert torch.equal(other(x), other.bias.expand(8, -1)), "a copy computes with its own weights"


class Special(torch.nn.Linear):
    """A layer with a computation of its own, as quantised ones are."""


def model(device: str = "cpu") -> Any:
    layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), Special(4, 4), torch.nn.Linear(4, 4, dtype=torch.bfloat16)])
    return SimpleNamespace(device=torch.device(device), modules=layers.modules)


def kinds_after(given: Any) -> list[type]:
    use_few_rows(given)
    return [type(m) for m in given.modules()][1:]


def test_plain_float32_layers_on_a_cpu_with_mkl_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert kinds_after(model()) == [FewRowsLinear, Special, torch.nn.Linear]
    assert kinds_after(model("meta")) == [torch.nn.Linear, Special, torch.nn.Linear]
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert kinds_after(model()) == [torch.nn.Linear, Special, torch.nn.Linear]
