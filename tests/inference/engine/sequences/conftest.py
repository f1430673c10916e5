from __future__ import annotations

import pytest
import torch

from domainkit.inference.local import LocalBackend
from tests.inference.engine.sequences.by_hand import Logits


@pytest.fixture
def logits(backend: LocalBackend) -> Logits:
    """Logits [1, vocabulary] that are 0 but for the given tokens."""
    width = backend.engine().width

    def build(values: dict[int, float]) -> torch.Tensor:
        row = torch.zeros(1, width)
        for token, value in values.items():
            row[0, token] = value
        return row

    return build
