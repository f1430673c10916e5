"""An adapter file brings its own tensors, all of them, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig
from safetensors.torch import load_file, save_file

from domainkit.adapters.peft_loading import load_peft_adapter
from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import AdapterError
from domainkit.models.load import load_base
from tests.inference.tiny_adapters import save_adapter

WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."
Tensors = dict[str, torch.Tensor]
Copy = Callable[[Callable[[Tensors], None]], Path]


@pytest.fixture(scope="module")
def plain(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    config = LoraConfig(r=4, target_modules=["q_proj", "lm_head"], task_type="CAUSAL_LM")
    with pytest.warns(UserWarning, match="save_embedding_layers"):
        save_adapter(tiny_base, folder, 0, config)
    return folder


@pytest.fixture
def changed(plain: Path, tmp_path: Path) -> Copy:
    """A copy of the adapter with changed tensors."""

    def copy(change: Callable[[Tensors], None]) -> Path:
        folder = Path(shutil.copytree(plain, tmp_path / "changed"))
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)
        return folder

    return copy


@pytest.mark.parametrize(
    "name",
    [
        f"{PREFIX}model.norm.weight",
        f"{PREFIX}model.embed_tokens.weight",
        f"{PREFIX}lm_head.weight",
        f"{PREFIX}model.layers.0.input_layernorm.weight",
        f"{PREFIX}model.layers.0.self_attn.q_proj.base_layer.weight",
        f"{PREFIX}model.layers.0.self_attn.q_proj.weight",
        f"{PREFIX}model.rotary_emb.inv_freq",
        f"{PREFIX}model.layers.0.self_attn.q_proj.lora_A.default.weight",
        f"{PREFIX}model.layers.0.self_attn.v_proj.lora_A.weight",
        "model.norm.weight",
        "norm.weight",
    ],
)
def test_a_tensor_that_is_not_the_adapters_is_refused_by_name(tiny_base: str, changed: Copy, name: str) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    before = {n: t.clone() for n, t in model.state_dict().items()}
    folder = changed(lambda tensors: tensors.update({name: torch.zeros(64)}))
    for load in (load_peft_adapter, load_adapted):
        with pytest.raises(AdapterError) as caught:
            load(model, folder)
        assert f"{WEIGHTS} holds {name}, which is not a tensor of this adapter" in str(caught.value)
        model = load_base(tiny_base, quantization="none", purpose="infer").model
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.state_dict().items())


def test_embeddings_that_pefts_own_saving_repeats_are_no_fault(
    tiny_base: str, plain: Path, changed: Copy, tmp_path: Path
) -> None:
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    head = f"{PREFIX}lm_head.base_layer.weight"
    assert head in load_file(plain / WEIGHTS)
    load_peft_adapter(model, plain).unload()
    norm = f"{PREFIX}model.norm.weight"
    for name, tensor in ((head, load_file(plain / WEIGHTS)[head] + 1), (norm, model.model.norm.weight.clone())):
        with pytest.raises(AdapterError, match=f"holds {name}"):
            load_peft_adapter(model, changed(lambda tensors, n=name, t=tensor: tensors.update({n: t})))
        shutil.rmtree(tmp_path / "changed")
        model = load_base(tiny_base, quantization="none", purpose="infer").model


def test_missing_and_not_finite_tensors_are_refused_by_name(tiny_base: str, changed: Copy, tmp_path: Path) -> None:
    name = f"{PREFIX}model.layers.1.self_attn.q_proj.lora_B.weight"
    for change, message in (
        (lambda t: t.pop(name), f"its weights are incomplete: 1 are missing, {name} among them"),
        (lambda t: t[name].fill_(float("nan")), f"holds numbers that are not finite, in {name}"),
        (lambda t: t[name][0].fill_(float("inf")), f"not finite, in {name}"),
    ):
        model = load_base(tiny_base, quantization="none", purpose="infer").model
        with pytest.raises(AdapterError, match=message):
            load_peft_adapter(model, changed(change))
        shutil.rmtree(tmp_path / "changed")


def test_virtual_tokens_bring_no_weights_of_the_base(tiny_base: str, tmp_path: Path) -> None:
    config = PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    folder = Path(save_adapter(tiny_base, tmp_path / "prompt", 0, config))
    model = load_base(tiny_base, quantization="none", purpose="infer").model
    load_peft_adapter(model, folder)
    tensors = load_file(folder / WEIGHTS)
    for name in ("base_model.model.norm.weight", "base_model.lm_head.weight"):
        save_file({**tensors, name: torch.zeros(64)}, folder / WEIGHTS)
        with pytest.raises(AdapterError, match=f"holds {name}"):
            load_peft_adapter(model, folder)
