"""A GGUF file is unpacked once, whole, and without losing what counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from domainkit.errors import BaseModelError, MachineError
from domainkit.models import gguf as gguf_module
from domainkit.models.gguf import model_folder
from domainkit.models.load import load_base
from domainkit.models.source import resolve_base


def test_a_folder_is_its_own_model_folder(tiny_base: str) -> None:
    assert model_folder(resolve_base(tiny_base)) == Path(tiny_base)


def test_unpacking_happens_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def fake(gguf: Path, folder: Path) -> None:
        made.append(folder)
        (folder / "config.json").write_text("{}")
        if len(made) == 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(gguf_module, "_write_safetensors", fake)
    with pytest.raises(MachineError, match="no space left"):
        gguf_module.unpack(Path("m.gguf"), "f" * 64)
    assert not [p for p in (tmp_path / "models").iterdir() if p.is_dir()]
    folder = gguf_module.unpack(Path("m.gguf"), "f" * 64)
    assert gguf_module.unpack(Path("m.gguf"), "f" * 64) == folder
    assert len(made) == 2


def test_weights_of_a_large_gguf_are_rounded_to_16_bits_where_it_is_harmless() -> None:
    from domainkit.models.gguf import _compact

    weights = torch.tensor([[0.1234567, 3.25]])
    assert torch.equal(_compact(weights, exact=True), weights)
    assert _compact(weights, exact=False).dtype == torch.float16
    assert _compact(torch.tensor([[1e30]]) / 3, exact=False).dtype == torch.float32
    assert _compact(torch.tensor([[0.5, 2.0**100]]), exact=False).dtype == torch.bfloat16
    assert _compact(torch.tensor([0.1234567]), exact=False).dtype == torch.float32


def test_a_broken_gguf_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
        load_base(str(file))


@pytest.mark.real
def test_the_packaged_model_is_its_gguf_bit_for_bit() -> None:
    from gguf import dequantize

    from domainkit.models.gguf_reader import PlainReader

    loaded = load_base("builtin:smollm2-135m", quantization="none", purpose="infer")
    assert loaded.stop_token_ids == (2,)
    weights = loaded.model.state_dict()
    names = {"token_embd.weight": "model.embed_tokens.weight"}
    names |= {f"blk.{i}.ffn_down.weight": f"model.layers.{i}.mlp.down_proj.weight" for i in range(30)}
    read = {t.name: t for t in PlainReader(str(loaded.source.path)).tensors if t.name in names}
    assert set(read) == set(names)
    for name, tensor in read.items():
        assert torch.equal(weights[names[name]], torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy()))
