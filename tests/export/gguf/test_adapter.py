"""A GGUF adapter adds to each weight what PEFT adds; what it cannot say is refused by name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from domainkit.adapters.tuned_model import load_adapted
from domainkit.errors import AdapterError, BaseModelError
from domainkit.export.gguf.adapter import write_gguf_adapter
from domainkit.export.gguf.layout import field, open_gguf
from domainkit.export.merge_plan import MergeError, find_origin
from domainkit.models.load import load_base
from domainkit.models.source import resolve_base
from tests.export.gguf.conftest import Build
from tests.export.gguf.tiny_gguf import HEADS, KV_HEADS, gguf_name, halves_to_pairs, tiny_model, write_tiny_gguf

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora(**options: Any) -> Any:
    from peft import LoraConfig

    return LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": ALL, "task_type": "CAUSAL_LM", **options})


CONFIGS = {
    "lora": lora,
    "rslora": lambda: lora(r=16, use_rslora=True),
    "patterns": lambda: lora(rank_pattern={"k_proj": 2}, alpha_pattern={"0.self_attn.q_proj": 9}, use_rslora=True),
    "embedding_and_head": lambda: lora(target_modules=["embed_tokens", "lm_head"]),
    "pissa": lambda: lora(init_lora_weights="pissa"),
    "no_alpha": lambda: lora(lora_alpha=0),
}


def differences_as_peft_adds_them(folder: Path, base: Path) -> dict[str, torch.Tensor]:
    """Weights with the adapter merged by PEFT, less those without it, by their GGUF names and in their order."""
    before = load_base(str(base), quantization="none", purpose="infer").model.state_dict()
    before = {name: weight.clone() for name, weight in before.items()}
    with warnings.catch_warnings(action="ignore"):  # PEFT's, of tied embeddings
        model = load_adapted(load_base(str(base), quantization="none", purpose="infer").model, folder)
    after = model.merge_and_unload().state_dict()
    found = {}
    for name, weight in before.items():
        difference, target = (after[name] - weight).detach(), gguf_name(name)
        if ".attn_q." in target or ".attn_k." in target:
            difference = halves_to_pairs(difference, HEADS if ".attn_q." in target else KV_HEADS)
        found[target] = difference
    return {name: d for name, d in found.items() if d.abs().max() > 0}


def differences_as_llama_cpp_adds_them(file: Path) -> dict[str, torch.Tensor]:
    reader = open_gguf(file)
    alpha = field(reader, "adapter.lora.alpha")
    tensors = {t.name: torch.from_numpy(np.array(t.data)) for t in reader.tensors}
    found = {}
    for name in sorted({n.rpartition(".")[0] for n in tensors}):
        a, b = tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]
        scale = (alpha or b.shape[1]) / b.shape[1]
        # The embedding's rows are looked up in A; every other layer's input is multiplied by A.
        found[name] = scale * (a @ b.T if name == "token_embd.weight" else b @ a)
    return found


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_file_adds_what_peft_adds(kind: str, build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    folder = build(CONFIGS[kind]())
    origin = find_origin(folder, str(tiny_gguf), "none")
    notes = write_gguf_adapter(origin, resolve_base(str(tiny_gguf)), tmp_path / "a.gguf")
    assert bool(notes) == (kind == "pissa")
    wanted = differences_as_peft_adds_them(folder, tiny_gguf)
    got = {n: d for n, d in differences_as_llama_cpp_adds_them(tmp_path / "a.gguf").items() if d.abs().max() > 0}
    assert set(got) == set(wanted)
    for name, difference in wanted.items():
        torch.testing.assert_close(got[name], difference, rtol=1e-4, atol=2e-6, msg=name)
    reader = open_gguf(tmp_path / "a.gguf")
    facts = {k: field(reader, k) for k in ("general.type", "adapter.type", "general.architecture")}
    assert facts == {"general.type": "adapter", "adapter.type": "lora", "general.architecture": "llama"}


def test_names_come_from_a_folder_of_safetensors_too(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    folder = build(lora())
    origin = find_origin(folder, str(tiny_gguf), "none")
    unpacked = resolve_base(str(load_base(str(tiny_gguf), quantization="none").folder))
    for source, name in ((resolve_base(str(tiny_gguf)), "a.gguf"), (unpacked, "b.gguf")):
        write_gguf_adapter(origin, source, tmp_path / name)
    one, other = (differences_as_llama_cpp_adds_them(tmp_path / name) for name in ("a.gguf", "b.gguf"))
    assert all(torch.equal(one[name], other[name]) for name in one | other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"use_dora": True}, "uses DoRA, which a GGUF adapter cannot hold"),
        ({"modules_to_save": ["lm_head"]}, r"uses whole modules \(modules_to_save\)"),
        ({"trainable_token_indices": [70]}, "uses trainable_token_indices"),
    ],
)
def test_what_a_gguf_adapter_cannot_hold_is_refused(
    options: dict[str, Any], said: str, build: Build, tiny_gguf: Path, tmp_path: Path
) -> None:
    origin = find_origin(build(lora(**options)), str(tiny_gguf), "none")
    with pytest.raises((AdapterError, MergeError), match=said) as e:
        write_gguf_adapter(origin, resolve_base(str(tiny_gguf)), tmp_path / "a.gguf")
    assert "domainkit merge" in str(e.value)
    assert not (tmp_path / "a.gguf").exists()


def test_virtual_tokens_and_rotations_are_refused_with_the_way_out(
    build: Build, tiny_gguf: Path, tmp_path: Path
) -> None:
    from peft import OFTConfig

    origin = find_origin(build(OFTConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")), str(tiny_gguf), "none")
    with pytest.raises(MergeError, match="oft changes weights by more than a matrix of low rank") as e:
        write_gguf_adapter(origin, resolve_base(str(tiny_gguf)), tmp_path / "a.gguf")
    assert "domainkit merge" in str(e.value)


def test_a_head_that_the_base_does_not_have_is_refused(build: Build, tmp_path: Path) -> None:
    tied = write_tiny_gguf(tmp_path / "tied.gguf", tiny_model(tied=True))
    origin = find_origin(build(lora(target_modules=["lm_head"]), tied), str(tied), "none")
    with pytest.raises(AdapterError, match=r"changes output\.weight, which the base's GGUF does not have") as e:
        write_gguf_adapter(origin, resolve_base(str(tied)), tmp_path / "a.gguf")
    assert "domainkit merge" in str(e.value)


def test_an_unknown_architecture_is_an_error_that_names_it(build: Build, tmp_path: Path, tiny_pair: str) -> None:
    from gguf import GGUFWriter
    from peft import LoraConfig

    origin = find_origin(build(LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")), "x", "none")
    with pytest.raises(BaseModelError, match="the names of the weights of 't5' in a GGUF are not known here"):
        write_gguf_adapter(origin, resolve_base(tiny_pair), tmp_path / "a.gguf")
    writer = GGUFWriter(str(tmp_path / "odd.gguf"), "rwkv7")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(BaseModelError, match="of 'rwkv7' in a GGUF are not known here"):
        write_gguf_adapter(origin, resolve_base(str(tmp_path / "odd.gguf")), tmp_path / "a.gguf")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 60)
    with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
        write_gguf_adapter(origin, resolve_base(str(tmp_path / "broken.gguf")), tmp_path / "a.gguf")
