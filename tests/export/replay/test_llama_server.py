"""The replay over HTTP, in llama.cpp's own server where a package brings it: xllamacpp."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from domainkit.errors import ConfigError, MachineError
from domainkit.export.gguf.target import export_gguf
from domainkit.export.replay.engine import ExportedModel
from domainkit.export.replay.llama_server import LlamaServer
from domainkit.export.target import ExportJob
from tests.export.gguf.conftest import Build
from tests.export.gguf.test_adapter import lora
from tests.export.test_exports import HELD_OUT


def test_a_server_that_is_not_there_is_an_error_with_the_next_step() -> None:
    with pytest.raises(MachineError, match=r"does not answer /props(.|\n)*llama-server -m BASE.gguf --lora"):
        LlamaServer("http://127.0.0.1:9")


def test_llama_server_computes_what_we_compute(build: Build, tiny_gguf: Path, tmp_path: Path) -> None:
    llama = pytest.importorskip("xllamacpp", reason="no llama-server: xllamacpp is not installed")
    job = ExportJob((build(lora(use_rslora=True)),), tmp_path / "a.gguf", base=str(tiny_gguf), engine="none")
    export_gguf(job)
    params = llama.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.cpuparams.n_threads = str(tiny_gguf), 256, 1, 1
    params.lora_adapters = [llama.CommonAdapterLoraInfo(str(tmp_path / "a.gguf"), 1.0)]
    url = (server := llama.Server(params)).listening_address
    job = ExportJob(job.adapters, job.out, base=str(tiny_gguf), engine=f"{url}/v1", held_out=HELD_OUT)
    lines = "\n".join(export_gguf(job).lines)
    record = json.loads((tmp_path / "a.replay.json").read_text())
    assert record["state"] == "SAME", lines
    assert record["adapter_error"] < 0.02 < 0.2 < record["effect"]
    engine = LlamaServer(url)
    with pytest.raises(ConfigError, match=r"serves no adapter b\.gguf \(it has a\.gguf\)"):
        engine.answer(ExportedModel(tiny_gguf, tmp_path / "b.gguf"), [[70, 71]], 3, [2])
    assert len(engine.answer(ExportedModel(tiny_gguf), [[70, 71]], 3, [2])[0]) <= 3
    del server
