"""A wrapped base behaves as PEFT's: it is switched off, saved, read back and merged, or says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.methods.activations.reft_layers import Interventions
from domainkit.adapters.tuned_model import load_adapted, native_method
from domainkit.errors import AdapterError, ConfigError
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import save_adapter, save_own

IDS = torch.tensor([[1, 30, 40, 50, 60, 2]])


def test_options_and_weights_that_do_not_fit_are_refused(tiny_base: str, tmp_path: Path) -> None:
    base = load_base(tiny_base, quantization="none").model
    with pytest.raises(ConfigError, match="rank=65 is more than the base's width of 64"):
        attach(parse_method("loreft", {"rank": 65}), base)
    with pytest.raises(ConfigError, match="the base has no layer 2"):
        attach(parse_method("direft", {"layers": [0, 2]}), base)
    with pytest.raises(ConfigError, match="first and last are both 0"):
        parse_method("loreft", {"first": 0, "last": 0})
    model = attach(parse_method("loreft", {}), base)
    with pytest.raises(ConfigError, match="loreft cannot be merged: it changes hidden states at some positions"):
        model.merge_and_unload()
    model.save_pretrained(tmp_path, state_dict=dict(list(model.state_dict().items())[1:]))
    model.unload()
    with pytest.raises(AdapterError, match=r"1 are missing, layers\.0\.both\.basis among them"):
        load_adapted(base, tmp_path)


def test_switched_off_it_leaves_no_hook(tiny_base: str) -> None:
    base = load_base(tiny_base, quantization="none").model
    model = attach(parse_method("loreft", {}), base)
    assert isinstance(model.tuning, Interventions)
    model.unload()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in base.modules())


@pytest.mark.parametrize("kind", ["loreft", "bottleneck", "last_layers"])
def test_a_folder_gives_the_same_logits_and_leaves_no_trace(tiny_base: str, tmp_path: Path, kind: str) -> None:
    folder = save_own(tiny_base, tmp_path / kind, 1, kind)
    base = load_base(tiny_base, quantization="none", purpose="infer").model
    with torch.no_grad():
        plain, model = base(IDS).logits, load_adapted(base, folder).eval()
        tuned = model(IDS).logits
        assert not torch.allclose(tuned, plain)
        model.save_pretrained(tmp_path / "again")
        with model.disable_adapter():
            assert torch.equal(base(IDS).logits, plain)
        assert torch.equal(model.unload()(IDS).logits, plain)
        assert torch.equal(load_adapted(base, tmp_path / "again")(IDS).logits, tuned)


def test_a_folder_is_not_put_into_packed_weights(tiny_base: str, tmp_path: Path) -> None:
    folder = save_own(tiny_base, tmp_path / "full", 1, "full")
    packed = load_base(tiny_base, quantization="nf4", keep_packed=True, purpose="infer").model
    with pytest.raises(AdapterError, match="in packed form, which"):
        load_adapted(packed, folder)


def test_what_adds_layers_cannot_be_merged(tiny_base: str, tmp_path: Path) -> None:
    folder = save_own(tiny_base, tmp_path / "bottleneck", 1, "bottleneck")
    model = load_adapted(load_base(tiny_base, quantization="none").model, folder)
    with pytest.raises(ConfigError, match="bottleneck cannot be merged: it adds non-linear layers"):
        model.merge_and_unload()


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("loreft", {"first": 0, "last": 0}, "first and last are both 0"),
        ("loreft", {"rank": "x"}, "rank"),
        ("loreft", {"rank": 10**30}, "rank"),
        ("loreft", {"layers": [None]}, "layers"),
        ("bottleneck", {"scale": 0}, "scale"),
        ("bottleneck", {"size": 10**9}, "size"),
        ("bottleneck", {"placement": ["pfeiffer"]}, "placement"),
        ("last_layers", {"colour": 1}, "colour"),
    ],
)
def test_options_that_a_file_gets_wrong_are_named(
    tiny_base: str, tmp_path: Path, method: str, change: dict[str, object], said: str
) -> None:
    folder = Path(save_own(tiny_base, tmp_path / method, 1, method))
    values = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(AdapterError, match=rf"adapter_config\.json cannot be read: .*{said}"):
        native_method(folder)


def test_weights_that_are_not_finite_are_refused(tiny_base: str, tmp_path: Path) -> None:
    folder = Path(save_own(tiny_base, tmp_path / "a", 1, "bottleneck"))
    weights = load_file(folder / "adapter_model.safetensors")
    weights[min(weights)][0] = float("nan")
    save_file(weights, folder / "adapter_model.safetensors")
    base = load_base(tiny_base, quantization="none", purpose="infer").model
    with pytest.raises(AdapterError, match="holds numbers that are not finite, in "):
        load_adapted(base, folder)
    assert not any(m._forward_hooks for m in base.modules())


def test_a_size_that_no_tensor_has_is_refused_before_memory_is_taken(tiny_base: str, tmp_path: Path) -> None:
    from peft import LoraConfig

    folder = Path(save_adapter(tiny_base, tmp_path / "a", 1, LoraConfig(r=4, target_modules=["q_proj"])))
    values = json.loads((folder / "adapter_config.json").read_text())
    base = load_base(tiny_base, quantization="none", purpose="infer").model
    for change in ({"r": 2**30}, {"rank_pattern": {"q_proj": 2**29}}):
        (folder / "adapter_config.json").write_text(json.dumps({**values, **change}))
        with pytest.raises(AdapterError, match=r"and no tensor of adapter_model\.safetensors is larger than 64"):
            load_adapted(base, folder)
