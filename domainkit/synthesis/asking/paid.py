"""What a run may pay, and how fast it may ask: from its options."""

from __future__ import annotations

from collections.abc import Iterable

from domainkit.errors import ConfigError
from domainkit.synthesis.asking.asker import Limiter
from domainkit.synthesis.asking.config import AskingConfig
from domainkit.verdict.costs.prices import PriceTable, read_prices


def prices_of(config: AskingConfig) -> PriceTable:
    """Raises ConfigError for a budget in money without the user's own prices."""
    if config.budget_money is not None and config.prices is None:
        raise ConfigError(
            "a budget in money needs your prices: those of domainkit are round figures, not your provider's",
            where="budget_money",
            next_step="write [tokens] input and output per million into a TOML file, and give it as --prices",
        )
    return read_prices(config.prices)


def refuse_unpaid(config: AskingConfig, are_local: Iterable[bool]) -> None:
    """Raises ConfigError for a budget in money where no model is paid for tokens."""
    if config.budget_money is not None and all(are_local):
        raise ConfigError(
            "every model runs on this machine, where nobody is paid for tokens",
            where="budget_money",
            next_step="give --budget-calls or --budget-tokens",
        )


def limiter_of(config: AskingConfig) -> Limiter | None:
    """What spaces the calls of all models; None where nothing limits them."""
    if not config.requests_per_minute:
        return None
    from langchain_core.rate_limiters import InMemoryRateLimiter

    return InMemoryRateLimiter(requests_per_second=config.requests_per_minute / 60, check_every_n_seconds=0.02)
