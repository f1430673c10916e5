"""The price table: a TOML file, laid over the defaults of prices.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domainkit.errors import ConfigError
from domainkit.results.schema import Prices
from domainkit.storage import read_toml

PaidBy = Literal["machine time", "tokens"]
DEFAULTS = "the defaults of domainkit"
NEXT_STEP = "domainkit/evaluation/prices.toml shows every entry; write amounts as plain numbers of zero or more"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MachinePrices(_Table):
    cpu_hour: float = Field(ge=0)
    gpu_hour: float = Field(ge=0)


class TokenPrices(_Table):
    input: float = Field(ge=0)
    output: float = Field(ge=0)


class LabelPrices(_Table):
    example: float = Field(ge=0)


class VariantPrices(_Table):
    """How one variant is paid; token prices of its own, where it has them."""

    paid_by: PaidBy = "machine time"
    input: float | None = Field(None, ge=0)
    output: float | None = Field(None, ge=0)


class PriceTable(_Table):
    """All prices, in `currency`; hours, millions of tokens, single examples. `defaults` names those nobody gave."""

    currency: str = Field(min_length=1, max_length=12)
    machine: MachinePrices
    tokens: TokenPrices
    labels: LabelPrices
    variants: dict[str, VariantPrices] = {}
    defaults: tuple[str, ...] = ()
    source: str = DEFAULTS

    def for_hardware(self, answered: object, trained: object) -> Prices:
        """The prices that apply where the run and the training took place."""
        hours = {True: "machine.gpu_hour", False: "machine.cpu_hour"}
        used = {
            "currency",
            hours[had_gpu(answered)],
            hours[had_gpu(trained)],
            "tokens.input",
            "tokens.output",
            "labels.example",
        }
        return Prices(
            currency=self.currency,
            machine_hour=self._hour(answered),
            training_hour=self._hour(trained),
            input_per_million=self.tokens.input,
            output_per_million=self.tokens.output,
            label=self.labels.example,
            defaults=tuple(name for name in self.defaults if name in used),
            source=self.source,
        )

    def _hour(self, hardware: object) -> float:
        return self.machine.gpu_hour if had_gpu(hardware) else self.machine.cpu_hour


def had_gpu(hardware: object) -> bool:
    """Whether a record of hardware, of whatever form, tells of a GPU."""
    if isinstance(hardware, Mapping) and "gpus" in hardware:
        return bool(hardware["gpus"])
    text = str(hardware).lower()
    return any(word in text for word in ("gpu", "cuda", "nvidia", "rocm")) and "'gpus': []" not in text


def read_prices(path: str | Path | None = None) -> PriceTable:
    """The table of `path` over the defaults; the defaults alone without one.

    Raises ConfigError that names the file and each wrong or unknown entry.
    """
    known = tomllib.loads(files("domainkit.verdict").joinpath("prices.toml").read_text(encoding="utf-8"))
    given = read_toml(Path(path)) if path is not None else {}
    reserved = {"defaults", "source"} & given.keys()
    if reserved:
        raise ConfigError(f"unknown entry '{min(reserved)}'", where=str(path), next_step=NEXT_STEP)
    merged = {**known, **given}
    defaults = [] if "currency" in given else ["currency"]
    for section in ("machine", "tokens", "labels"):
        own = given.get(section, {})
        if not isinstance(own, dict):
            raise ConfigError(
                f"'{section}' is no table", where=str(path), next_step=f"write [{section}] above its prices"
            )
        merged[section] = {**known[section], **own}
        defaults += [f"{section}.{name}" for name in known[section] if name not in own]
    try:
        return PriceTable(**merged, defaults=tuple(defaults), source=str(path) if path is not None else DEFAULTS)
    except ValidationError as e:
        faults = "; ".join(f"{'.'.join(map(str, x['loc']))}: {x['msg'].lower()}" for x in e.errors())
        raise ConfigError(f"wrong prices: {faults}", where=str(path), next_step=NEXT_STEP) from e
