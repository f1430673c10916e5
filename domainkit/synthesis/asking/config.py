"""The options of everything that pays a chat model; each field's meaning is written once, under it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AskingConfig(BaseModel):
    """What models may cost, and how fast they are asked."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False, protected_namespaces=()
    )

    budget_calls: int | None = Field(default=None, ge=1)
    """Most calls to models, those that check the answers too; earlier ones in the same folder count."""
    budget_tokens: int | None = Field(default=None, ge=1)
    """Most tokens, read and written together."""
    budget_money: float | None = Field(default=None, gt=0)
    """Most money for tokens, at the prices of --prices and in its currency."""
    prices: str | None = None
    """TOML file of prices per million tokens; [models."MODEL"] has those of one model."""
    max_concurrency: int = Field(default=8, ge=1, le=256)
    """Calls under way at once."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Most calls in a minute, all models together."""
