"""last_layers trains copies of the last blocks' weights and no other."""

from __future__ import annotations

import pytest

from domainkit.errors import ConfigError
from tests.adapters.methods.one_step import trained


def test_the_last_blocks_and_no_other_weight(tiny_base: str) -> None:
    model = trained(tiny_base, "last_layers")
    names = list(model.tuning.weights())
    assert len(names) == 9
    assert all(n.startswith("model.layers.1.") for n in names), "a quarter of 2 blocks, rounded up, is the last"
    assert len(trained(tiny_base, "last_layers", count=2).tuning.weights()) == 18
    with pytest.raises(ConfigError, match="count=3 is more than the base's 2 blocks"):
        trained(tiny_base, "last_layers", count=3)
