"""NF4 is bitsandbytes' own, packed or unpacked; "auto" chooses by the memory that is free, and says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from domainkit.models.load import load_base
from domainkit.models.memory import LEARNING
from domainkit.models.quantization import choose_quantization, quantised_layers

IDS = torch.tensor([[1, 30, 40, 50, 2]])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


def test_unpacked_nf4_is_bitsandbytes_nf4_bit_for_bit(tiny_base: str) -> None:
    unpacked = load_base(tiny_base, quantization="nf4")
    packed = load_base(tiny_base, quantization="nf4", keep_packed=True)
    plain = load_base(tiny_base, quantization="none")
    assert unpacked.quantization == packed.quantization == "nf4"
    assert any("kept unpacked" in note for note in unpacked.notes)
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    ours = quantised_layers(unpacked.model)
    theirs = {n: m for n, m in packed.model.named_modules() if isinstance(m, Linear4bit)}
    assert set(ours) == set(theirs)
    assert len(ours) == 14
    for name, layer in theirs.items():
        assert torch.equal(ours[name].weight, dequantize_4bit(layer.weight.data, layer.weight.quant_state))
    assert torch.equal(logits(unpacked.model), logits(packed.model))
    assert not torch.equal(logits(unpacked.model), logits(plain.model))


def test_int8_logits_are_near_the_plain_ones(tiny_base: str) -> None:
    loaded = load_base(tiny_base, quantization="int8", purpose="infer")
    plain = logits(load_base(tiny_base, quantization="none", purpose="infer").model)
    assert loaded.quantization == "int8"
    assert (logits(loaded.model) - plain).abs().max() < 0.1 * plain.abs().max()


def test_auto_says_what_it_chose_and_why(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = load_base(tiny_base)
    assert roomy.quantization == "none"
    assert "quantization: none, since the base fits" in roomy.notes[0]
    monkeypatch.setattr("domainkit.models.quantization.free_bytes", lambda device: 1000)
    tight = load_base(tiny_base)
    assert tight.quantization == "nf4"
    assert "does not fit comfortably" in tight.notes[0]
    from bitsandbytes.nn import Linear4bit

    assert any(isinstance(m, Linear4bit) for m in tight.model.modules())


def test_the_choice_is_one_of_memory_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    monkeypatch.setattr("domainkit.models.quantization.free_bytes", lambda device: 6000)
    for parameters, name in ((1000, "none"), (1001, "nf4")):  # 4 bytes each, and half as much for headroom
        choice = choose_quantization("auto", cpu, parameters, torch.float32)
        assert (choice.name, choice.packed) == (name, name == "nf4")
    assert not choose_quantization("nf4", cpu, 1000, torch.float32).packed
    assert choose_quantization("nf4", cpu, 1000, torch.float32, keep_packed=True).packed
    on_gpu = choose_quantization("nf4", gpu, 1000, torch.bfloat16)
    assert on_gpu.packed
    assert "quantization=none is faster" in on_gpu.notes[-1]


@pytest.mark.parametrize(
    ("free", "name", "warned"),
    [
        (LEARNING + 15000, "none", False),  # 4,000 of weights and 11,000 for a pass that keeps 5,000
        (LEARNING + 14999, "nf4", False),
        (LEARNING + 12200, "nf4", False),
        (LEARNING + 12199, "none", True),  # 4 bits would take 1,200: still too much
        (5000, "nf4", False),  # the weights alone want 6,000
    ],
)
def test_auto_leaves_room_for_a_training_pass(
    free: int, name: str, warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domainkit.models.quantization.free_bytes", lambda device: free)
    choice = choose_quantization("auto", torch.device("cpu"), 1000, torch.float32, activations=5000)
    assert choice.name == name
    assert any("GiB for a training pass" in note for note in choice.notes)
    assert any("may not be enough" in note and "gradient_checkpointing=true" in note for note in choice.notes) == warned
