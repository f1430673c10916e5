"""The options of `make`; each field's meaning is written once, under it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MakeConfig(BaseModel):
    """How rows are made from documents."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )

    rows: int = Field(default=100, ge=1)
    """Rows to keep, training and test rows together."""
    test_share: float = Field(default=0.2, ge=0, le=1)
    """Share of the rows that are test rows, from documents that no training row saw. 0: training rows alone; 1: test
    rows alone."""
    seed: int = 0
    """Chooses the test documents and the order in which sections are asked about."""
    per_request: int = Field(default=3, ge=1, le=20)
    """Questions asked for in one request. Small models do better with 1."""
    budget_calls: int | None = Field(default=None, ge=1)
    """Most calls to models, the judge's and the base's too; earlier ones in the same folder count."""
    budget_tokens: int | None = Field(default=None, ge=1)
    """Most tokens, read and written together."""
    budget_money: float | None = Field(default=None, gt=0)
    """Most money for tokens, at the prices of --prices and in its currency."""
    prices: str | None = None
    """TOML file of prices per million tokens; [variants."MODEL"] has those of one model."""
    max_concurrency: int = Field(default=8, ge=1, le=256)
    """Calls under way at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Most calls in a minute, all models together."""
