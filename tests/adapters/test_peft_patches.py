"""What PEFT gets wrong about packed layers and butterflies is right after `apply_peft_patches`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.peft_patches import _BlockDiagonal
from domainkit.models.load import load_base

IDS = torch.tensor([[1, 30, 40, 50, 2]])


@pytest.mark.parametrize("name", ["loha", "lokr"])
def test_packed_and_unpacked_nf4_give_the_same_difference(tiny_base: str, name: str) -> None:
    answers = []
    for packed in (True, False):
        base = load_base(tiny_base, quantization="nf4", keep_packed=packed)
        torch.manual_seed(0)
        model = attach(parse_method(name, {}), base.model).eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in (p for p in model.parameters() if p.requires_grad):
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.3)
            answers.append(model(IDS).logits)
    torch.testing.assert_close(answers[0], answers[1], atol=1e-3, rtol=1e-3)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_block_diagonal_is_torchs_own_with_its_gradient(n: int, d: int, h: int) -> None:
    blocks = torch.randn(n, d, h, h, requires_grad=True)
    wanted = torch.stack([torch.block_diag(*one) for one in blocks])
    weight = torch.randn_like(wanted)
    (wanted * weight).sum().backward()
    assert torch.equal(_BlockDiagonal().forward(blocks.detach())[0], wanted.detach())
    assert torch.equal(_BlockDiagonal().backward(weight, blocks.detach())[0], blocks.grad)


def test_boft_keeps_its_factors_and_stays_a_rotation(tiny_base: str) -> None:
    model = attach(
        parse_method("boft", {"factors": 3, "block_size": 4}), load_base(tiny_base, quantization="none").model
    )
    layer = next(m for m in model.modules() if hasattr(m, "boft_R") and len(m.boft_R))
    assert layer.boft_R["default"].shape == (3, 16, 4, 4)
    with torch.no_grad():
        layer.boft_R["default"].normal_()
        rotation, _ = layer.get_delta_weight("default")
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(64), atol=1e-4, rtol=1e-4)
    assert int((rotation.abs() > 1e-6).sum(1).min()) > 4  # denser than one factor's blocks
