"""How a variant is paid, and at which prices: its own, its model's, or those of the table."""

from __future__ import annotations

from dataclasses import dataclass

from domainkit.verdict.costs.prices import OwnPrices, PaidBy, PriceTable

MILLION = 1e6
NO_PRICES = OwnPrices(input=None, cached_input=None, output=None)


@dataclass(frozen=True, slots=True)
class Payment:
    """How one variant is paid; its token prices are for a million, and None where they are not known."""

    paid_by: PaidBy
    input: float | None
    cached_input: float | None
    """Of the part of the input that the provider has in its cache; None is the price of the input."""
    output: float | None
    reason: str = ""
    """Why the price is not known, with what would tell it."""

    @property
    def is_known(self) -> bool:
        return self.input is not None and self.output is not None

    def of(self, prompt: int | None, completion: int | None, cached: int | None = None) -> float | None:
        """What the tokens cost; None where a count or a price is not known. `cached` is a part of `prompt`, and the
        tokens of reasoning are a part of `completion`."""
        if prompt is None or completion is None or self.input is None or self.output is None:
            return None
        cached = min(cached or 0, prompt)
        cached_price = self.input if self.cached_input is None else self.cached_input
        return ((prompt - cached) * self.input + cached * cached_price + completion * self.output) / MILLION


def payment_of(table: PriceTable, variant: str, model: str = "", *, hosted: bool = False) -> Payment:
    """How `variant` is paid, whose answers `model` gives ("" for the comparison's own base).

    Its own table wins over its model's. A model that is `hosted` is paid by tokens unless a table says otherwise, and
    never at default prices: these are of no model in particular.
    """
    own, of_model = table.variants.get(variant, NO_PRICES), table.models.get(model, NO_PRICES)
    paid_by: PaidBy = own.paid_by or of_model.paid_by or ("tokens" if hosted else "machine time")
    # A price that the table itself has, unless it is only a default.
    general = {
        name: None if hosted and f"tokens.{name}" in table.defaults else getattr(table.tokens, name)
        for name in ("input", "output")
    }
    found = {n: _first(getattr(own, n), getattr(of_model, n), price) for n, price in general.items()}
    # A cached price of the model belongs to the model's own price of input.
    cached = own.cached_input if own.input is not None else _first(own.cached_input, of_model.cached_input)
    missing = [name for name, price in found.items() if price is None]
    reason = ""
    if paid_by == "tokens" and missing:
        entry = f"[models.{toml_key(model)}]" if model else f"[variants.{toml_key(variant)}]"
        reason = (
            f"the price of its tokens is not known: --prices takes {entry} with input and output, per million tokens"
        )
    return Payment(paid_by, found["input"], cached, found["output"], reason)


def toml_key(name: str) -> str:
    """The name as a key of a TOML table: in quotes where it needs them."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _first(*prices: float | None) -> float | None:
    return next((price for price in prices if price is not None), None)
