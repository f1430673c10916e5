"""The options of `make`; each field's meaning is written once, under it."""

from __future__ import annotations

from pydantic import Field

from domainkit.synthesis.asking.config import AskingConfig


class MakeConfig(AskingConfig):
    """How rows are made from documents."""

    rows: int = Field(default=100, ge=1)
    """Rows to keep, training and test rows together."""
    test_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the rows that are test rows, from documents that no training row saw. 0: training rows alone; 1: test
    rows alone."""
    seed: int = 0
    """Chooses the test documents and the order in which sections are asked about."""
    per_request: int = Field(default=3, ge=1, le=20)
    """Questions asked for in one request. Small models do better with 1."""
