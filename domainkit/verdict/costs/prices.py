"""The price table: a TOML file over the defaults in prices.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainkit.errors import ConfigError
from domainkit.results.schema import Hardware, Prices
from domainkit.storage import read_toml

PaidBy = Literal["machine time", "tokens"]
DEFAULTS = "the defaults of domainkit"
NEXT_STEP = "domainkit/verdict/costs/prices.toml shows every entry; write amounts as plain numbers of zero or more"


class _Table(BaseModel):
    # Strict: true is no price.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class MachinePrices(_Table):
    cpu_hour: float = Field(ge=0)
    gpu_hour: float = Field(ge=0)


class TokenPrices(_Table):
    input: float = Field(ge=0)
    output: float = Field(ge=0)


class LabelPrices(_Table):
    example: float = Field(ge=0)


class OwnPrices(_Table):
    """How one variant or one model is paid, and the prices of its tokens, where the table says so."""

    paid_by: PaidBy | None = None
    input: float | None = Field(None, ge=0)
    cached_input: float | None = Field(None, ge=0)
    output: float | None = Field(None, ge=0)


class PriceTable(_Table):
    """All prices: of hours, of a million tokens, of single examples."""

    currency: str = Field(min_length=1, max_length=12)
    machine: MachinePrices
    tokens: TokenPrices
    labels: LabelPrices
    variants: dict[str, OwnPrices] = {}
    models: dict[str, OwnPrices] = {}
    """By the names that the comparison gives its models."""
    defaults: tuple[str, ...] = ()
    """Names of the prices that the user's file does not have."""
    source: str = DEFAULTS

    def for_machines(self, answered: Hardware | None, trained: Hardware | None) -> Prices:
        """The prices that apply where the run and the training took place; an unknown machine has no GPU."""
        names = {"currency", _hour_of(answered), _hour_of(trained), "tokens.input", "tokens.output", "labels.example"}
        return Prices(
            currency=self.currency,
            machine_hour=self.hour(answered),
            training_hour=self.hour(trained),
            input_per_million=self.tokens.input,
            output_per_million=self.tokens.output,
            label=self.labels.example,
            defaults=tuple(name for name in self.defaults if name in names),
            source=self.source,
        )

    def hour(self, machine: Hardware | None) -> float:
        return self.machine.gpu_hour if has_gpu(machine) else self.machine.cpu_hour


def has_gpu(machine: Hardware | None) -> bool:
    return machine is not None and bool(machine.gpus)


def _hour_of(machine: Hardware | None) -> str:
    """The name of the price of an hour of this machine."""
    return "machine.gpu_hour" if has_gpu(machine) else "machine.cpu_hour"


def read_prices(path: str | Path | None = None) -> PriceTable:
    """The table of `path` over the defaults; the defaults alone without one.

    Raises ConfigError that names the file and each wrong or unknown entry.
    """
    defaults = tomllib.loads(files("domainkit.verdict.costs").joinpath("prices.toml").read_text(encoding="utf-8"))
    user_table = read_toml(Path(path)) if path is not None else {}
    reserved = {"defaults", "source"} & user_table.keys()
    if reserved:
        raise ConfigError(f"unknown entry '{min(reserved)}'", where=str(path), next_step=NEXT_STEP)
    merged = {**defaults, **user_table}
    unset = [] if "currency" in user_table else ["currency"]
    for section in ("machine", "tokens", "labels"):
        prices = user_table.get(section, {})
        if not isinstance(prices, dict):
            raise ConfigError(
                f"'{section}' is not a table", where=str(path), next_step=f"write [{section}] above its prices"
            )
        merged[section] = {**defaults[section], **prices}
        unset += [f"{section}.{name}" for name in defaults[section] if name not in prices]
    try:
        return PriceTable(**merged, defaults=tuple(unset), source=str(path) if path is not None else DEFAULTS)
    except ValidationError as e:
        wrong = "; ".join(f"{'.'.join(map(str, x['loc']))}: {x['msg'].lower()}" for x in e.errors())
        raise ConfigError(f"wrong prices: {wrong}", where=str(path), next_step=NEXT_STEP) from e
