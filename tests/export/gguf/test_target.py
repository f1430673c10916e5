"""The target writes the adapter or the merged model, replays it where an engine is, and says what it did not do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from domainkit.errors import BaseModelError, ConfigError
from domainkit.export.gguf.layout import field, open_gguf
from domainkit.export.gguf.target import export_gguf
from domainkit.export.replay.node_llama_cpp import NodeLlamaCpp
from domainkit.export.target import ExportJob
from domainkit.models.load import load_base
from tests.export.gguf.conftest import Build
from tests.export.gguf.test_adapter import lora
from tests.export.gguf.tiny_gguf import tiny_model, write_tiny_gguf
from tests.export.test_exports import HELD_OUT

CHAT = "tokenizer.chat_template"


def logits(base: object) -> torch.Tensor:
    model = load_base(str(base), quantization="none", purpose="infer").model
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.arange(30)[None] + 70).logits
    return found


def test_a_merged_model_is_read_back_with_its_own_logits(build: Build, tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", tiny_model(), quantised="Q8_0")
    from peft import PeftModel

    from domainkit.adapters.methods import peft_warnings_muted

    folder = build(lora(target_modules=["q_proj", "k_proj", "down_proj"]), base)
    loaded = load_base(str(base), quantization="none", purpose="infer")
    with peft_warnings_muted():
        merged = PeftModel.from_pretrained(loaded.model, str(folder)).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    loaded.tokenizer.save_pretrained(tmp_path / "merged")
    job = ExportJob((tmp_path / "merged",), tmp_path / "merged.gguf", base=str(base), engine="none")
    exported = export_gguf(job)
    assert "6 tensors in F32; 15 as they are in base.gguf" in "\n".join(exported.lines)
    torch.testing.assert_close(logits(tmp_path / "merged.gguf"), logits(tmp_path / "merged"), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(base), logits(tmp_path / "merged"), atol=0.1)
    kinds = {t.name: t.tensor_type.name for t in open_gguf(tmp_path / "merged.gguf").tensors}
    assert (kinds["blk.0.attn_q.weight"], kinds["blk.0.attn_v.weight"]) == ("F32", "Q8_0")
    written, own = open_gguf(tmp_path / "merged.gguf"), open_gguf(base)
    for key in (
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "llama.rope.freq_base",
        "tokenizer.chat_template",
    ):
        assert field(written, key) == field(own, key)


def test_a_merged_model_of_another_shape_or_base_is_refused(build: Build, tiny_base: str, tmp_path: Path) -> None:
    base = write_tiny_gguf(tmp_path / "base.gguf", tiny_model())
    with pytest.raises(ConfigError, match="its base is not known, so there is no file to copy the vocabulary") as e:
        export_gguf(ExportJob((Path(tiny_base),), tmp_path / "m.gguf"))
    assert "convert_hf_to_gguf.py" in str(e.value)
    with pytest.raises(BaseModelError, match=r"has the shape \(260, 64\), and token_embd.weight of the base's GGUF"):
        export_gguf(ExportJob((Path(tiny_base),), tmp_path / "m.gguf", base=str(base)))
    assert not (tmp_path / "m.gguf").exists()


def test_the_base_and_other_files_are_never_overwritten(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    folder = build(lora())
    job = ExportJob((folder,), tmp_path / "new" / "a.gguf", base=str(tiny_gguf), engine="none")
    assert export_gguf(job).path == export_gguf(job).path  # an earlier export is replaced
    before = tiny_gguf.read_bytes()
    with pytest.raises(ConfigError, match="exists and is not a GGUF that domainkit wrote"):
        export_gguf(ExportJob((folder,), tiny_gguf, base=str(tiny_gguf)))
    assert tiny_gguf.read_bytes() == before
    lines = "\n".join(export_gguf(job).lines)
    assert "Not replayed: --engine none." in lines
    assert f" -m {tiny_gguf} --lora {tmp_path / 'new' / 'a.gguf'} --cache-ram 0 --port 8080" in lines
    assert f'Then: DomainLLM(adapter="{folder}", backend="server", backend_options=' in lines


def test_another_quantisation_than_the_training_s_is_said(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    job = ExportJob((build(lora()),), tmp_path / "a.gguf", base=str(tiny_gguf), quantization="nf4", engine="none")
    assert "trained over weights in nf4, and tiny.gguf holds F32" in "\n".join(export_gguf(job).lines)


def test_llama_cpp_computes_what_we_compute(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    if NodeLlamaCpp.find() is None:
        pytest.skip("node-llama-cpp is not installed")
    job = ExportJob((build(lora(use_rslora=True)),), tmp_path / "a.gguf", base=str(tiny_gguf), held_out=HELD_OUT)
    lines = "\n".join(export_gguf(job).lines)
    record = json.loads((tmp_path / "a.replay.json").read_text())
    assert record["state"] == "SAME", lines
    assert record["adapter_error"] < 0.02 < 0.2 < record["effect"]
    assert record["token_agreement"] == record["first_token_agreement"] == 1.0
