"""Sources: what is served together, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domainkit.errors import AdapterError, ConfigError
from domainkit.serving.models import Models
from domainkit.serving.sources import make_models, read_sources
from tests.inference.tiny_adapters import save_adapter


def test_a_base_alone_is_named_by_its_last_part(tiny_base: str, tmp_path: Path) -> None:
    models = make_models(read_sources([], tiny_base))
    assert [m.id for m in models.all()] == ["tiny"]
    with pytest.raises(ConfigError, match="no such folder"):
        make_models(read_sources([], tiny_base), loadable=tmp_path / "no")


def test_an_adapter_is_there_once(tiny_base: str, adapter_home: Path) -> None:
    red = adapter_home / "red"
    with pytest.raises(ConfigError, match="is given twice"):
        make_models(read_sources([red, red], tiny_base))


def test_an_adapter_that_does_not_fit_is_an_error_before_the_first_request(tiny_base: str, tmp_path: Path) -> None:
    from peft import LoraConfig
    from safetensors.torch import load_file, save_file

    config: Any = LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    folder = Path(save_adapter(tiny_base, tmp_path / "odd", 0, config))
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({k: v[:, :3].contiguous() for k, v in weights.items()}, folder / "adapter_model.safetensors")
    models: Models = make_models(read_sources([folder], tiny_base))
    with pytest.raises(AdapterError, match="does not fit"):
        models.start()
