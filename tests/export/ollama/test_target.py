"""The folder for Ollama: a Modelfile that names the base, the adapter, what ends an answer, and the trained prompt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.export.gguf.layout import open_gguf
from domainkit.export.ollama.go_template import prompt_text
from domainkit.export.ollama.target import adds_bos, export_ollama
from domainkit.export.target import ExportJob
from domainkit.messages import Message
from domainkit.models.load import load_base
from tests.export.gguf.conftest import Build
from tests.export.gguf.test_adapter import lora
from tests.export.ollama.go_interpreter import render


def test_the_modelfile_writes_the_trained_prompt(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    job = ExportJob((build(lora()),), tmp_path / "My Desk!", base=str(tiny_gguf), engine="none")
    exported = export_ollama(job)
    text = (tmp_path / "My Desk!" / "Modelfile").read_text()
    assert (tmp_path / "My Desk!" / "adapter.gguf").is_file()
    lines = text.splitlines()
    assert f"FROM {tiny_gguf.resolve()}" in lines
    assert "ADAPTER ./adapter.gguf" in lines
    assert {"PARAMETER temperature 0", "PARAMETER num_ctx 512", 'PARAMETER stop "<|end|>"'} <= set(lines)
    template = re.search(r'TEMPLATE """(.*)"""', text, re.DOTALL)
    assert template is not None
    own = load_base(str(tiny_gguf), quantization="none").chat_template
    turns = [
        Message("system", "be brief"),
        Message("user", "say red"),
        Message("assistant", "red"),
        Message("user", "?"),
    ]
    sent = [{"Role": t.role, "Content": t.content} for t in turns]
    assert render(template[1], sent) == prompt_text(own, turns)
    assert "ollama create my-desk -f" in exported.lines[-1]
    assert "Not run in Ollama itself" in "\n".join(exported.lines)
    assert export_ollama(job).path == tmp_path / "My Desk!"  # an earlier export is replaced


def test_a_base_that_is_no_gguf_is_refused_before_anything_is_written(
    build: Build, tiny_base: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"is not a GGUF, and Ollama's adapters need one(.|\n)*--base FILE.gguf"):
        export_ollama(ExportJob((build(lora()),), tmp_path / "out", base=tiny_base))
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="ollama needs a folder"):
        export_ollama(ExportJob((tmp_path / "adapter",), tmp_path / "a.gguf"))


def test_who_writes_the_bos_token(tiny_gguf: Path, tmp_path: Path) -> None:
    from gguf import GGUFWriter

    assert not adds_bos(open_gguf(tiny_gguf))
    for model, pre, wanted in (("llama", "", True), ("gpt2", "llama-bpe", True), ("gpt2", "smollm", False)):
        writer = GGUFWriter(str(tmp_path / f"{model}{pre}.gguf"), "llama")
        writer.add_tokenizer_model(model)
        writer.add_tokenizer_pre(pre)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        assert adds_bos(open_gguf(tmp_path / f"{model}{pre}.gguf")) is wanted
