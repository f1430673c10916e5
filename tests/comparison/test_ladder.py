"""The ladder, which domainkit knows by name."""

from __future__ import annotations

import pytest

from domainkit.comparison.ladder import CHAINS, find_variant, ladder
from domainkit.errors import ConfigError


@pytest.mark.parametrize("name", CHAINS)
def test_every_line_can_be_loaded(name: str) -> None:
    assert CHAINS.load(name) is not None


def test_a_variant_is_found_under_its_own_name() -> None:
    assert all(name == variant.name for name, variant in ladder().items())
    with pytest.raises(ConfigError, match="did you mean 'tuned'"):
        find_variant("tunned")
