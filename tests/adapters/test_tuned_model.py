"""A wrapped base behaves as PEFT's: it is switched off, saved, read back and merged, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainkit.adapters.methods import attach, parse_method
from domainkit.adapters.methods.activations.reft_layers import Interventions
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import AdapterError, ConfigError
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import save_own

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
