"""A served tiny base with adapters, for all tests of the server backend."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainkit.export.vllm import adapter_name
from domainkit.inference.server.backend import ServerBackend
from tests.inference.server.openai_server import KEY, serve


def lora_folder(folder: Path, base: str, seed: int, *, rank: int = 4, **config: Any) -> Path:
    """A PEFT adapter with random, not zero, weights: it changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    settings = LoraConfig(
        r=rank, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM", **config
    )
    with warnings.catch_warnings():  # peft still reads a name that transformers has renamed
        warnings.simplefilter("ignore", FutureWarning)
        get_peft_model(AutoModelForCausalLM.from_pretrained(base), settings).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters in folders of the same name."""
    made = tmp_path_factory.mktemp("adapters")
    return [lora_folder(made / str(seed) / "legal", tiny_base, seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def address(tiny_base: str, adapters: list[Path]) -> Iterator[str]:
    """A served tiny base with the first adapter; the second is there to be loaded."""
    with serve(tiny_base, {adapter_name(adapters[0]): str(adapters[0])}) as url:
        yield url


@pytest.fixture
def backend(address: str, tiny_base: str) -> Iterator[ServerBackend]:
    made = ServerBackend(tiny_base, url=address, api_key=KEY)
    yield made
    made.close()
