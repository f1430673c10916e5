"""A tiny GGUF base, and adapters over it as PEFT writes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.adapters.methods import peft_warnings_muted
from domainkit.export.replay.node_llama_cpp import FOLDER_VARIABLE, node_folder
from domainkit.models.load import load_base
from tests.export.gguf.tiny_gguf import tiny_model, write_tiny_gguf

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", tiny_model())


@pytest.fixture(scope="session")
def gguf_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tiny GGUFs are unpacked."""
    return tmp_path_factory.mktemp("unpacked")


@pytest.fixture
def build(tiny_gguf: Path, tmp_path: Path, gguf_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """build(config) writes an adapter with random trained weights over the tiny GGUF, without a card."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(node_folder()))  # it may be in the cache that is left now
    monkeypatch.setenv("DOMAINKIT_CACHE", str(gguf_cache))

    def make(config: Any, base: Path = tiny_gguf) -> Path:
        from peft import get_peft_model

        torch.manual_seed(1)
        with peft_warnings_muted(), warnings.catch_warnings(action="ignore"):
            model = get_peft_model(load_base(str(base), quantization="none", purpose="infer").model, config)
            with torch.no_grad():
                for weight in model.parameters():
                    if weight.requires_grad:
                        weight.add_(torch.randn_like(weight) * 0.1)
            model.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
        (tmp_path / "adapter" / "README.md").unlink(missing_ok=True)
        return tmp_path / "adapter"

    return make
