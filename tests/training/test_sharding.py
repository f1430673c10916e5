"""What cannot be sharded is refused before anything is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from domainkit.corpus.example import Example, Turn
from domainkit.errors import ConfigError
from domainkit.training import sharding
from domainkit.training.config import TrainConfig
from domainkit.training.train import train


def example() -> Example:
    return Example(turns=(Turn(role="user", content="q"), Turn(role="assistant", content="a")))


def test_deepspeed_is_refused_and_the_equivalent_is_named(
    tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sharding.DEEPSPEED, "true")
    with pytest.raises(ConfigError, match="DeepSpeed is not supported") as e:
        train([example()], TrainConfig(base=tiny_base, quantization="none"), tmp_path / "a")
    assert "fsdp.yaml" in str(e.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "full", "quantization": "none"}, "no frozen weight is left"),
        ({"quantization": "int8"}, "8-bit weights"),
    ],
)
def test_what_cannot_be_sharded_is_refused_before_anything_is_loaded(
    changes: dict[str, Any], said: str, tiny_base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sharding.FSDP, "true")
    monkeypatch.setattr(sharding, "world_size", lambda: 2)
    with pytest.raises(ConfigError, match=said):
        train([example()], TrainConfig(base=tiny_base, **changes), tmp_path / "a")
    assert os.environ[sharding.FSDP] == "true"
    assert not any(tmp_path.iterdir())


def test_a_base_that_does_not_name_its_blocks_is_refused() -> None:
    class Wrapped(torch.nn.Linear):
        def get_base_model(self) -> Any:
            return self

    with pytest.raises(ConfigError, match="does not name its blocks"):
        sharding.shard(Wrapped(2, 2), torch.device("cpu"))
