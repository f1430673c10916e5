"""Bottleneck adapters: behind or beside the parts their placement names; rows chosen for them are changed, no
others."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import relu

from domainkit.adapters.methods import attach, parse_method
from domainkit.errors import ConfigError
from domainkit.models.load import load_base

IDS = torch.tensor([[1, 30, 40, 50, 2], [1, 31, 41, 51, 2]])


def adapted(base: str, **options: Any) -> Any:
    model = attach(parse_method("bottleneck", {"size": 8, **options}), load_base(base, quantization="none").model)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.tuning.weights().values():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()


@pytest.mark.parametrize(
    ("placement", "scale", "parts"),
    [("pfeiffer", 1.0, ["mlp"]), ("parallel", 4.0, ["mlp"]), ("houlsby", 1.0, ["self_attn", "mlp"])],
)
def test_the_change_is_the_papers(tiny_base: str, placement: str, scale: float, parts: list[str]) -> None:
    model = adapted(tiny_base, placement=placement)
    assert len(model.tuning.layers) == 2 * len(parts)
    for name in parts:
        part = getattr(model.get_base_model().model.layers[0], name)
        label = "feedforward" if name == "mlp" else "attention"
        one = model.tuning.layers[f"0_0_{label}"]
        seen: list[Any] = []
        handle = part.register_forward_hook(lambda m, a, kw, out, seen=seen: seen.append((a, out)), with_kwargs=True)
        with torch.no_grad():
            with model.disable_adapter():
                model(IDS)
            handle.remove()
            handle = part.register_forward_hook(
                lambda m, a, kw, out, seen=seen: seen.append((a, out)), with_kwargs=True
            )
            model(IDS)
            handle.remove()
        (given, y), (given_too, tuned) = seen
        if name == "self_attn":
            y, tuned = y[0], tuned[0]
        elif placement == "houlsby":
            continue  # its input has been changed behind the attention already
        else:
            assert torch.equal(given[0], given_too[0])
        x = given[0] if placement == "parallel" else y
        inner = relu(x @ one.down.T + one.down_bias)
        assert torch.allclose(tuned, y + scale * (inner @ one.up.T + one.up_bias), atol=1e-4)


@pytest.mark.parametrize("placement", ["pfeiffer", "parallel", "houlsby"])
def test_chosen_rows_only(tiny_base: str, placement: str) -> None:
    model = adapted(tiny_base, placement=placement)
    with torch.no_grad():
        everywhere = model(IDS).logits
        with model.disable_adapter():
            nowhere = model(IDS).logits
        model.tuning.rows = torch.tensor([1])
        found = model(IDS).logits
    assert torch.allclose(found[0], nowhere[0], atol=1e-5)
    assert torch.allclose(found[1], everywhere[1], atol=1e-4)
    assert not torch.allclose(found[0], everywhere[0], atol=1e-2)


def test_blocks_without_the_named_part_are_refused(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none").model
    for block in base.model.layers:
        block.inner = block.mlp
        del block.mlp
    with pytest.raises(ConfigError, match="have no part named mlp"):
        attach(parse_method("bottleneck", {}), base)
