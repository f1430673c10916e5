"""last_layers trains copies of the last blocks' weights and no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.errors import ConfigError
from domainkit.models.load import load_base

IDS = torch.tensor([[1, 30, 40, 50, 60, 2]])


def trained(base: str, kind: str, **options: Any) -> Any:
    model = attach(parse_method(kind, options), load_base(base, quantization="none").model)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    model(IDS).logits.logsumexp(-1).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return model.eval()


def test_the_last_blocks_and_no_other_weight(tiny_base: str) -> None:
    model = trained(tiny_base, "last_layers")
    names = list(model.tuning.weights())
    assert len(names) == 9
    assert all(n.startswith("model.layers.1.") for n in names), "a quarter of 2 blocks, rounded up, is the last"
    assert len(trained(tiny_base, "last_layers", count=2).tuning.weights()) == 18
    with pytest.raises(ConfigError, match="count=3 is more than the base's 2 blocks"):
        trained(tiny_base, "last_layers", count=3)
