"""The layers that are rounded here are those that bitsandbytes packs, to the same values; what it leaves is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from domainkit.export.merge import round_weights
from domainkit.models.load import load_base
from domainkit.models.quantization import quantised_layers
from tests.models.tiny_bases import save

SHAPE = {"vocab_size": 384, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def build(name: str) -> Any:
    if name == "gpt2":
        sizes = {"vocab_size": 384, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, **TOKENS))
    if name == "falcon":
        own = {"num_kv_heads": 2, "new_decoder_architecture": True}
        return transformers.FalconForCausalLM(transformers.FalconConfig(**SHAPE, **own, **TOKENS))
    own = {"num_key_value_heads": 2, "intermediate_size": 128, "num_local_experts": 4, "num_experts_per_tok": 2}
    return transformers.MixtralForCausalLM(transformers.MixtralConfig(**SHAPE, **own, **TOKENS))


@pytest.fixture(scope="module", params=["gpt2", "falcon", "mixtral"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    return save(build(request.param), tmp_path_factory.mktemp(request.param) / request.param)


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_rounded_layers_are_packed_layers_with_the_same_values(base: str, quantization: Any) -> None:
    packed = load_base(base, quantization=quantization, keep_packed=True, purpose="infer")
    plain = load_base(base, quantization="none", purpose="infer").model
    names = {n for n, m in packed.model.named_modules() if type(m).__name__ in ("Linear4bit", "Linear8bitLt")}
    assert set(quantised_layers(plain)) == names
    ids = torch.arange(20)[None] + 60
    with torch.no_grad():
        wanted, exact = packed.model(ids).logits, plain(ids).logits
        round_weights(plain, quantization)
        found = plain(ids).logits
    assert not names or float((found - exact).abs().max()) > 0
    limit = 1e-3 if quantization == "nf4" else 5e-2  # int8 rounds the activations too
    assert float((found - wanted).abs().max()) <= limit * float(wanted.abs().max())


def test_experts_that_are_not_quantised_are_reported(base: str) -> None:
    notes = load_base(base, quantization="nf4").notes
    told = [note for note in notes if note.startswith("quantization=nf4 leaves the experts, ")]
    assert bool(told) == (Path(base).name == "mixtral")
    assert all(note.endswith("of the weights, in float32") for note in told)
    assert not [n for n in load_base(base, quantization="none").notes if "experts" in n]
