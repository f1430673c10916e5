"""LoReFT and DiReFT are taught by examples, and a training pass tells where each prompt ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, forward_arguments, parse_method
from domainkit.adapters.methods.activations.loreft import prompt_ends
from domainkit.adapters.tuned_model import TunedModel, load_adapted
from domainkit.corpus.example import Example, Turn
from domainkit.models.load import load_base
from domainkit.training.batches import pad
from domainkit.training.config import TrainConfig
from domainkit.training.examples_to_ids import TokenizedExample, tokenize_examples
from domainkit.training.objectives.supervised import supervised_loss
from domainkit.training.train import train


def adapted(base: str, kind: str = "loreft", seed: int = 0, **options: Any) -> TunedModel:
    """An adapter with random weights over the tiny base."""
    model = attach(parse_method(kind, options), load_base(base, quantization="none", purpose="infer").model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.tuning.weights().values():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def test_a_training_pass_knows_where_each_prompt_ends(tiny_base: str) -> None:
    rows = [TokenizedExample(tuple(range(30, 52)), 18, ""), TokenizedExample(tuple(range(40, 60)), 5, "")]
    one = pad(rows, 0)
    assert prompt_ends(one).tolist() == [18, 5]
    model = adapted(tiny_base, layers=(0,), first=2, last=2)
    given, _ = forward_arguments(model, one)
    ids = given.pop("input_ids")
    given.pop("use_cache")
    found: list[torch.Tensor] = []
    block = model.get_base_model().model.layers[0]
    for tuned in (model.disable_adapter(), torch.no_grad()):
        with tuned, torch.no_grad():
            handle = block.register_forward_hook(lambda m, a, out: found.append(out))
            model(ids, **given) if model.tuning._handles else model.base_model(ids)
            handle.remove()
    changed = (found[0] - found[1]).abs().amax(-1) > 1e-4
    assert changed[0].nonzero().flatten().tolist() == [0, 1, 16, 17]
    assert changed[1, :19].nonzero().flatten().tolist() == [0, 1, 3, 4]


def test_a_loss_in_chunks_of_supervised_tokens_is_the_same(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = adapted(tiny_base)
    one = pad([TokenizedExample(tuple(range(30, 60)), 12, ""), TokenizedExample(tuple(range(20, 40)), 9, "")], 0)
    few = supervised_loss(model, one)
    monkeypatch.setattr("domainkit.training.objectives.supervised.CHUNK", 4)
    many = supervised_loss(model, one)
    assert torch.allclose(few, many, rtol=1e-5)


def row(question: str, answer: str) -> Example:
    return Example(turns=(Turn(role="user", content=question), Turn(role="assistant", content=answer)), source="x:1")


def test_it_teaches_and_the_folder_loads(tiny_base: str, tmp_path: Path) -> None:
    rows = [row(f"q{i}", word) for i, word in enumerate("rbg")]
    config = TrainConfig(
        base=tiny_base,
        quantization="nf4",
        epochs=60,
        batch_size=3,
        learning_rate=1e-2,
        method="loreft",
        method_options={"rank": 32, "first": 20, "last": 20},
    )
    adapter = train(rows, config, tmp_path / "a", on_progress=lambda _: None)
    assert adapter.card is not None
    assert adapter.card.losses[-1][1] < 0.15 * adapter.card.losses[0][1]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
    ]
    assert any("cannot share rows" in note for note in adapter.card.notes)
    loaded = load_base(tiny_base, quantization="nf4", purpose="infer")
    model = load_adapted(loaded.model, tmp_path / "a")
    assert not any(p.requires_grad for p in model.parameters())
    one = pad(tokenize_examples(rows, loaded.chat_template, 99), 0)
    with torch.no_grad():
        assert supervised_loss(model, one) / 6 == pytest.approx(adapter.card.losses[-1][1], rel=0.2)
