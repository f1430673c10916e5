"""last_layers and full train copies: the base's own weights stay as they are, and come back when the adapter is off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import ConfigError
from domainkit.models.load import load_base
from tests.adapters.methods.one_step import IDS, trained


@pytest.mark.parametrize("kind", ["last_layers", "full"])
def test_the_base_comes_back_to_the_bit(tiny_base: str, tmp_path: Path, kind: str) -> None:
    plain = load_base(tiny_base, quantization="none", purpose="infer").model
    model = trained(tiny_base, kind)
    with torch.no_grad():
        tuned, wanted = model(IDS, use_cache=False).logits, plain(IDS, use_cache=False).logits
        assert not torch.allclose(tuned, wanted)
        with model.disable_adapter():
            assert torch.equal(model(IDS, use_cache=False).logits, wanted)
        model.save_pretrained(tmp_path)
        base = model.unload()
        for (name, weight), other in zip(base.named_parameters(), plain.parameters(), strict=True):
            assert torch.equal(weight, other), name
        again = load_adapted(base, tmp_path)
        assert torch.equal(again(IDS, use_cache=False).logits, tuned)
        assert torch.equal(again.merge_and_unload()(IDS, use_cache=False).logits, tuned)


def test_a_tied_head_stays_tied(tiny_base: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    config = LlamaConfig.from_pretrained(tiny_base)
    config.tie_word_embeddings = True
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    base = AutoModelForCausalLM.from_pretrained(tmp_path).requires_grad_(False)
    model = attach(parse_method("full", {}), base)
    assert base.lm_head.weight is base.model.embed_tokens.weight
    assert base.lm_head.weight.requires_grad
    assert "lm_head.weight" not in model.tuning.weights()
    model.unload()
    assert base.lm_head.weight is base.model.embed_tokens.weight
    assert not base.lm_head.weight.requires_grad


@pytest.mark.parametrize("kind", ["last_layers", "full"])
@pytest.mark.parametrize(("quantization", "bits"), [("nf4", "4-bit"), ("int8", "8-bit")])
def test_quantised_bases_are_refused(tiny_base: str, kind: str, quantization: Any, bits: str) -> None:
    base = load_base(tiny_base, quantization=quantization).model
    with pytest.raises(ConfigError, match=f"smaller than those between {bits} values") as caught:
        attach(parse_method(kind, {}), base)
    assert "use quantization=none, or method=lora" in str(caught.value)
