"""A frozen BOFT layer builds its rotation once, and computes what PEFT computes."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from peft.tuners.boft.layer import BOFTLayer

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.methods.orthogonal import boft_layers
from domainkit.adapters.methods.orthogonal.boft_layers import cache_rotations
from domainkit.models.load import load_base

IDS = torch.tensor([[1, 30, 40, 50, 2]])


def turned(base: str) -> Any:
    model = attach(parse_method("boft", {"block_size": 4}), load_base(base, quantization="none").model).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


@torch.no_grad()
def test_rotations_are_built_once_and_forgotten_with_their_layer(
    tiny_base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, real, built = turned(tiny_base), BOFTLayer.cayley_batch, []
    wanted, plain = model(IDS).logits, model.get_base_model()
    monkeypatch.setattr(BOFTLayer, "cayley_batch", lambda self, data: built.append(1) or real(self, data))
    cache_rotations(model)
    for _ in range(3):
        torch.testing.assert_close(model(IDS).logits, wanted)
    assert len(built) == 4, "two layers of each of two blocks"
    with model.disable_adapter():
        assert not torch.allclose(plain(IDS).logits, wanted)
    kept = len(boft_layers._FROZEN)
    del model, plain
    gc.collect()
    assert len(boft_layers._FROZEN) == kept - 4


def test_a_layer_in_training_builds_its_rotation_in_every_pass(tiny_base: str) -> None:
    model = turned(tiny_base)
    before = model(IDS).logits
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.requires_grad):
            weight.mul_(2)
    assert not torch.allclose(model(IDS).logits, before)
