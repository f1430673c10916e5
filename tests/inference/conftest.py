from __future__ import annotations

from collections.abc import Callable

import pytest

from domainkit.inference.local import LocalBackend, local_backend
from tests.inference.tiny_adapters import build_adapters


@pytest.fixture(scope="session")
def adapters(tiny_base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders of adapters over the tiny base, by name."""
    return build_adapters(tiny_base, tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="session")
def backend(tiny_base: str) -> LocalBackend:
    """The tiny base's engine, shared by the run."""
    return local_backend(tiny_base)


@pytest.fixture
def take_for_near(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how near counts as a near tie: with 10 every token is one, with 0 none."""

    def take(near: float) -> None:
        monkeypatch.setattr("domainkit.inference.engine.sequences.sampling.NEAR_TIE", near)

    return take
