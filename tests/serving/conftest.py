from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from domainkit.inference.local import LocalBackend, local_backend
from domainkit.serving.sources import make_models, read_sources
from domainkit.serving.state import State
from tests.inference.tiny_adapters import save_adapter
from tests.serving.running_server import running


@pytest.fixture(scope="session")
def adapter_home(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapters red and blue over the tiny base."""
    from peft import LoraConfig

    home = tmp_path_factory.mktemp("served")
    for seed, name in enumerate(("red", "blue")):
        config: Any = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        save_adapter(tiny_base, home / name, seed, config)
    return home


@pytest.fixture(scope="session")
def backend(tiny_base: str) -> LocalBackend:
    """The served engine itself: what is asked through the port is compared with it."""
    return local_backend(tiny_base)


@pytest.fixture(scope="session")
def state(tiny_base: str, adapter_home: Path) -> State:
    """The base and red are served; blue may be loaded."""
    sources = read_sources([adapter_home / "red"], tiny_base)
    return State(make_models(sources, loadable=adapter_home))


@pytest.fixture(scope="session")
def address(state: State) -> Iterator[str]:
    with running(state) as address:
        yield address


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client
