"""Folders written here are complete for programs that read older configurations, and mean the same to this one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from domainkit.models.load import load_base
from domainkit.models.portable import make_portable


def test_a_folder_is_completed_and_computes_the_same(tiny_base: str, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    config["rope_parameters"]["rope_theta"] = 777.0
    (folder / "config.json").write_text(json.dumps(config))
    ids = torch.arange(30)[None] + 70
    with torch.no_grad():
        before = load_base(str(folder), quantization="none", purpose="infer").model(input_ids=ids).logits
        make_portable(folder, "LlamaForCausalLM")
        after = load_base(str(folder), quantization="none", purpose="infer")
        torch.testing.assert_close(after.model(input_ids=ids).logits, before, rtol=0, atol=0)
    written = json.loads((folder / "config.json").read_text())
    assert (written["architectures"], written["rope_theta"]) == (["LlamaForCausalLM"], 777.0)
    assert after.model.config.rope_parameters["rope_theta"] == 777.0
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not {"is_local", "local_files_only"} & tokenizer.keys()
    make_portable(folder, "Other")  # what is there already stays
    assert json.loads((folder / "config.json").read_text()) == written
