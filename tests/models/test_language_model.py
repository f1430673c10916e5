"""Only what text goes through is adapted: no vision tower, and no layer that returns more than a tensor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from domainkit.adapters.methods import METHODS, attach, parse_method
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import ConfigError
from domainkit.models.language_model import (
    linear_layers_read_directly,
    linear_layers_with_other_output,
    modules_beside_text,
)
from domainkit.models.load import load_base
from tests.laws.matrix import OPTIONS
from tests.models.tiny_bases import save
from tests.training.small_runs import losses, run

SIZES: dict[str, Any] = {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,
}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


@pytest.fixture(scope="module")
def multimodal(tmp_path_factory: pytest.TempPathFactory) -> str:
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    image = {"image_token_index": 255, "boi_token_index": 256, "eoi_token_index": 257, "mm_tokens_per_image": 4}
    config = transformers.Gemma3Config(
        text_config={**SIZES, "sliding_window": 512, "query_pre_attn_scalar": 16},
        vision_config={**vision, "image_size": 28, "patch_size": 14},
        **image,
        **TOKENS,
    )
    torch.manual_seed(0)
    return save(transformers.Gemma3ForConditionalGeneration(config), tmp_path_factory.mktemp("gemma3") / "base")


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> str:
    experts = {"num_local_experts": 2, "num_experts_per_tok": 1, "intermediate_size_mlp": 128}
    config = transformers.Llama4TextConfig(**SIZES, **experts, attention_chunk_size=512, **TOKENS)
    torch.manual_seed(0)
    return save(transformers.Llama4ForCausalLM(config), tmp_path_factory.mktemp("llama4") / "base")


def test_towers_and_routers_are_found(tiny_base: str, tiny_pair: str, multimodal: str, routed: str) -> None:
    found = {}
    for base in (tiny_base, tiny_pair, multimodal, routed):
        model = load_base(base, quantization="none").model
        found[base] = (modules_beside_text(model), linear_layers_with_other_output(model))
    assert found[tiny_base] == found[tiny_pair] == ([], [])
    assert found[multimodal] == (["model.vision_tower", "model.multi_modal_projector"], [])
    assert found[routed] == ([], [f"model.layers.{i}.feed_forward.router" for i in range(2)])


TARGETS = {
    "ia3": {"target": ["k_proj", "v_proj", "down_proj"], "feedforward": ["down_proj"]},
    "boft": {"target": ["q_proj", "v_proj"]},
}
"""PEFT has no choice of its own for this architecture."""


@pytest.mark.parametrize("name", METHODS)
def test_every_method_adapts_the_language_model_alone(multimodal: str, tmp_path: Path, name: str) -> None:
    base = load_base(multimodal, quantization="none").model
    model = attach(parse_method(name, {**OPTIONS.get(name, {}), **TARGETS.get(name, {})}), base)
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert not [n for n in trained if "vision_tower" in n or "multi_modal_projector" in n]
    parse_method(name, OPTIONS.get(name, {})).save(model, tmp_path, {})
    again = load_adapted(load_base(multimodal, quantization="none").model, tmp_path)
    kept = again.state_dict().keys() if hasattr(again, "tuning") else [n for n, _ in again.named_parameters()]
    assert not [n for n in kept if "vision_tower" in n and "lora_" in n]


@pytest.mark.parametrize("name", ["lora", "full", "vera"])
def test_it_trains(multimodal: str, tmp_path: Path, name: str) -> None:
    options: dict[str, Any] = {"method": name, "method_options": OPTIONS.get(name, {}), "quantization": "none"}
    found = losses(run(multimodal, tmp_path / "a", batch_size=6, epochs=4, learning_rate=1e-3, **options))
    assert found[-1] < found[0]


def test_routers_are_left_out_and_refused_by_name(routed: str, tmp_path: Path) -> None:
    made = run(routed, tmp_path / "a", quantization="none", epochs=1)
    written = json.loads((made.folder / "adapter_config.json").read_text())
    assert "router" in written["exclude_modules"]
    with pytest.raises(ConfigError, match=r"feed_forward\.router returns more than a tensor.*\n  next: leave it out"):
        attach(parse_method("lora", {"target": ["q_proj", "router"]}), load_base(routed, quantization="none").model)


def test_layers_whose_weight_the_model_reads_itself_are_left_out_and_refused_by_name() -> None:
    def model() -> transformers.PreTrainedModel:
        heads = {"num_heads": 8, "head_dim": 16, "state_size": 8, "n_groups": 1}
        config = transformers.Mamba2Config(vocab_size=64, hidden_size=64, num_hidden_layers=2, **heads)
        return transformers.Mamba2ForCausalLM(config)

    assert [name.rpartition(".")[2] for name in linear_layers_read_directly(model())] == ["out_proj"] * 2
    adapted = [n for n, _ in attach(parse_method("lora", {}), model()).named_parameters() if "lora_A" in n]
    assert len(adapted) == 2
    assert all("in_proj" in name for name in adapted)
    with pytest.raises(ConfigError, match=r"out_proj has a weight that the model reads itself.*\n  next: leave it out"):
        attach(parse_method("lora", {"target": ["in_proj", "out_proj"]}), model())
