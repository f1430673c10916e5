"""The loss in chunks is the loss at once; a head that does more than project is never run alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.models.load import load_base
from domainkit.training.batches import pad
from domainkit.training.examples_to_ids import TokenizedExample
from domainkit.training.objectives import supervised
from domainkit.training.objectives.supervised import head_is_plain, supervised_loss

ROWS = [TokenizedExample(tuple(range(30, 60)), 12, ""), TokenizedExample(tuple(range(20, 40)), 9, "")]


def test_a_loss_in_chunks_is_the_same_with_the_same_gradients(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = attach(parse_method("lora", {"rank": 2}), load_base(tiny_base, quantization="none").model)
    found = []
    for size in (512, 4):
        monkeypatch.setattr(supervised, "CHUNK", size)
        model.zero_grad()
        loss = supervised_loss(model, pad(ROWS, 0))
        loss.backward()
        found.append((float(loss.detach()), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-3, atol=1e-5)


def test_scaled_logits_are_found_by_trial_and_kept_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    sizes: dict[str, Any] = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 0}
    for scaling, plain in ((1.0, True), (4.0, False)):
        torch.manual_seed(0)
        base = GraniteForCausalLM(GraniteConfig(**sizes, **heads, logits_scaling=scaling)).requires_grad_(False)
        model = attach(parse_method("lora", {"rank": 2}), base)
        assert head_is_plain(model) is plain
        whole = float(supervised_loss(model, pad(ROWS, 0)).detach())
        with monkeypatch.context() as patch:
            patch.setattr(supervised, "CHUNK", 4)
            assert float(supervised_loss(model, pad(ROWS, 0)).detach()) == pytest.approx(whole, rel=1e-5)
