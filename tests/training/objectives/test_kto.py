"""KTO weighs good and bad answers alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainkit.errors import ConfigError
from domainkit.training.objectives.kto import weights
from tests.training.preference.small_preferences import (
    run,
)


def test_kto_weighs_the_kinds_alike() -> None:
    for good, rows in ((1, 10), (5, 10), (9, 10)):
        desirable, undesirable = weights(good, rows)
        assert min(desirable, undesirable) == 1
        assert 1 - 1e-9 <= desirable * good / (undesirable * (rows - good)) <= 4 / 3 + 1e-9


def test_kto_needs_two_rows_in_a_pass(tiny_base: str, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="kto needs 2 rows or more in each micro-batch, and batch_size=7 cannot be split"
    ):
        run(tiny_base, tmp_path / "a", "kto", batch_size=7, rows_per_pass=4)
