"""Adapters in PEFT's layers: they compute as PEFT alone, and leave nothing in the base."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.peft_config import read_peft_config
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import AdapterError
from domainkit.inference.adapters.peft_layers import PeftLayers, check_removable
from domainkit.models.load import load_base

SAME_TYPE = ["red", "dora", "head"]
"""Adapters of PEFT's type LORA, which can be in the base together."""


@pytest.fixture
def model(tiny_base: str) -> Any:
    return load_base(tiny_base, quantization="none", purpose="infer").model


@pytest.fixture
def layers(model: Any) -> Iterator[PeftLayers]:
    layers = PeftLayers(model)
    yield layers
    layers.clear()


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.arange(10, 20)[None], use_cache=False).logits


def test_each_adapter_computes_as_in_pefts_own_wrapper(
    model: Any, layers: PeftLayers, adapters: dict[str, str], tiny_base: str
) -> None:
    base = logits(model)
    for name in SAME_TYPE:
        layers.add(adapters[name], name)
    for name in [*SAME_TYPE, *reversed(SAME_TYPE)]:
        layers.use_one(name)
        alone = load_adapted(load_base(tiny_base, quantization="none", purpose="infer").model, adapters[name]).eval()
        torch.testing.assert_close(logits(model), logits(alone))
        layers.use_mixed({})
        assert torch.equal(logits(model), base)


def test_removing_one_adapter_changes_no_other(model: Any, layers: PeftLayers, adapters: dict[str, str]) -> None:
    expected = {}
    for name in SAME_TYPE:
        layers.add(adapters[name], name)
    for name in SAME_TYPE:
        layers.use_one(name)
        expected[name] = logits(model)
    layers.use_one("red")
    layers.remove("red")
    for name in ("dora", "head"):
        layers.use_one(name)
        assert torch.equal(logits(model), expected[name])


@pytest.mark.parametrize("name", ["red", "dora", "head", "ia3"])
def test_clear_puts_the_bases_own_modules_back(model: Any, adapters: dict[str, str], name: str) -> None:
    before, modules, attributes = logits(model), list(model.modules()), set(vars(model))
    layers = PeftLayers(model)
    layers.add(adapters[name], name)
    assert layers.peft_type == ("IA3" if name == "ia3" else "LORA")
    layers.use_one(name)
    assert not torch.allclose(logits(model), before, atol=1e-3)
    layers.clear()
    assert layers.peft_type is None
    assert list(model.modules()) == modules
    assert set(vars(model)) == attributes
    assert torch.equal(logits(model), before)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
def test_lora_of_other_than_linear_layers_cannot_be_mixed(
    model: Any, layers: PeftLayers, tiny_base: str, tmp_path: Path
) -> None:
    from peft import LoraConfig

    from tests.inference.tiny_adapters import save_adapter

    config = LoraConfig(r=4, target_modules=["q_proj", "embed_tokens"], task_type="CAUSAL_LM")
    layers.add(save_adapter(tiny_base, tmp_path / "embedding", 0, config), "embedding")
    assert not layers.mix("embedding")


def test_missing_weights_are_an_error(layers: PeftLayers, adapters: dict[str, str], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "incomplete"
    shutil.copytree(adapters["red"], folder)
    weights = load_file(folder / "adapter_model.safetensors")
    weights.pop(min(weights))
    save_file(weights, folder / "adapter_model.safetensors")
    layers.add(adapters["dora"], "dora")
    with pytest.raises(AdapterError, match="its weights are incomplete: 1 are missing"):
        layers.add(str(folder), "incomplete")


def test_adding_an_adapter_warns_of_nothing_and_changes_no_filter(
    layers: PeftLayers, adapters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(warnings.filters)
    monkeypatch.setattr(warnings, "catch_warnings", None)  # its filters are those of all threads
    layers.add(adapters["red"], "red")
    assert warnings.filters == before


def test_adapters_that_change_the_base_are_refused(tmp_path: Path) -> None:
    from peft import LoraConfig

    for options, reason in (({"bias": "all"}, "bias=all"), ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa")):
        LoraConfig(r=4, target_modules=["q_proj"], **options).save_pretrained(tmp_path)
        with pytest.raises(AdapterError, match=f"{reason} changes the base's own weights"):
            check_removable(read_peft_config(str(tmp_path)), str(tmp_path))
    LoraConfig(r=4, target_modules=["q_proj"]).save_pretrained(tmp_path)
    check_removable(read_peft_config(str(tmp_path)), str(tmp_path))


# ---- over a bfloat16 base


def half_base(tiny_base: str) -> Any:
    return load_base(tiny_base, quantization="none", purpose="infer").model.to(torch.bfloat16)


def exact_logits(tiny_base: str, adapter: str) -> torch.Tensor:
    """Of PEFT alone, all in float32."""
    return logits(load_adapted(load_base(tiny_base, quantization="none", purpose="infer").model, adapter).eval())


def error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found.float() - exact).abs().mean())


def lora_dtypes(model: Any) -> set[torch.dtype]:
    return {p.dtype for name, p in model.named_parameters() if "lora_" in name}


def test_plain_lora_is_served_in_the_bases_type_and_compared_as_saved(tiny_base: str, adapters: dict[str, str]) -> None:
    model = half_base(tiny_base)
    layers = PeftLayers(model)
    layers.add(adapters["red"], "red")
    saved = {name: p.clone() for name, p in model.named_parameters() if "lora_" in name}
    layers.use_one("red")
    with torch.inference_mode():
        stock = layers.forward(input_ids=torch.arange(10, 20)[None])
        assert layers.mix("red")
        assert lora_dtypes(model) == {torch.bfloat16}
        assert torch.equal(layers.forward(input_ids=torch.arange(10, 20)[None]), stock), "by the numbers of the file"
        assert lora_dtypes(model) == {torch.bfloat16}
        layers.use_mixed({"red": slice(0, 1)}, (1, 10))
        served = logits(model)
    exact = exact_logits(tiny_base, adapters["red"])
    assert not torch.equal(served, stock)
    assert error(served, exact) < 2 * error(stock, exact), "no more than the base's own rounding"
    assert layers.serve_as_saved()
    assert all(torch.equal(p, saved[name]) for name, p in model.named_parameters() if "lora_" in name)
    assert not layers.serve_as_saved()
    layers.clear()


def test_adapters_of_both_types_share_passes(tiny_base: str, adapters: dict[str, str]) -> None:
    """One that keeps float32 stands beside others in one layer."""
    model = half_base(tiny_base)
    layers = PeftLayers(model)
    for name in ("red", "blue"):
        layers.add(adapters[name], name)
        assert layers.mix(name)
    assert layers.serve_as_saved()
    assert lora_dtypes(model) == {torch.bfloat16, torch.float32}
    layers.use_mixed({"red": slice(0, 1), "blue": slice(1, 2)}, (2, 10))
    with torch.inference_mode():
        both = model(torch.arange(10, 20)[None].repeat(2, 1), use_cache=False).logits
    for name, row in zip(("red", "blue"), both, strict=True):
        layers.use_one(name)
        exact = exact_logits(tiny_base, adapters[name])
        assert error(row, exact) < 2 * error(logits(model), exact)
    layers.clear()


def test_a_float32_base_keeps_its_adapters_as_they_are(
    model: Any, layers: PeftLayers, adapters: dict[str, str]
) -> None:
    layers.add(adapters["red"], "red")
    assert layers.mix("red")
    assert lora_dtypes(model) == {torch.float32}
    assert not layers.serve_as_saved()
