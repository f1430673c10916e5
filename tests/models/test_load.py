"""Bases load frozen, without running their code, and say what is wrong with those that cannot be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.errors import BaseModelError, ConfigError, MachineError
from domainkit.models.load import load_base, plan_memory, plan_quantization
from domainkit.models.memory import PROCESS
from domainkit.models.source import count_parameters
from tests.models.conftest import edit


def test_code_in_a_model_folder_is_never_run(folder: Path) -> None:
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    edit(folder / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"})
    with pytest.raises(BaseModelError, match=r"cannot be loaded|no readable tokenizer"):
        load_base(str(folder), quantization="none")


def test_damaged_weights_are_an_error(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        load_base(str(folder), quantization="none")


def test_all_weights_are_frozen(tiny_base: str) -> None:
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
def test_a_setting_that_cannot_be_is_an_error(
    tiny_base: str, options: Any, error: type[Exception], message: str
) -> None:
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(error) as caught:
        load_base(tiny_base, **options)
    assert message in str(caught.value)


def test_the_planned_quantization_is_the_one_that_is_loaded(tiny_base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for free in (10**12, 1000):
        monkeypatch.setattr("domainkit.models.quantization.free_bytes", lambda device, free=free: free)
        assert plan_quantization(tiny_base) == load_base(tiny_base).quantization == ("none" if free > 1000 else "nf4")


def test_memory_is_planned_without_loading_or_unpacking(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = 4 * count_parameters(Path(tiny_base))
    small = plan_memory(tiny_base, tokens_per_pass=128, device="cpu")
    assert small.ask == weights + PROCESS
    assert plan_memory(tiny_base, tokens_per_pass=2048, device="cpu").train > small.train
    monkeypatch.setenv("DOMAINKIT_CACHE", str(tmp_path / "cache"))
    packaged = plan_memory("builtin:smollm2-135m", tokens_per_pass=2048, device="cpu")
    assert packaged.ask == 4 * 134_515_008 + PROCESS
    assert not (tmp_path / "cache").exists()
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + b"\xff" * 64)
    with pytest.raises(BaseModelError, match="cannot be read as GGUF"):
        plan_memory(str(damaged), tokens_per_pass=2048)
