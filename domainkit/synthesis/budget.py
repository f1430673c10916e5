"""What models may cost: calls, tokens, money; what they have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from domainkit.verdict.costs.payment import payment_of
from domainkit.verdict.costs.prices import PriceTable


@dataclass(frozen=True, slots=True)
class Cost:
    """Of calls to one model. Money is None where nobody is paid for tokens: the model runs on this machine."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __mul__(self, times: int) -> Cost:
        return Cost(self.calls * times, self.input_tokens * times, self.output_tokens * times, self.money * times)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.money + other.money,
        )


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Money for a million tokens read, and a million written."""

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    """Of what the provider had in its cache; None: as `input`."""

    def of(self, input_tokens: int, output_tokens: int, cached: int = 0) -> Cost:
        """The cost of one call; `cached` is a part of `input_tokens`."""
        saved = 0.0 if self.cached_input is None else min(cached, input_tokens) * (self.input - self.cached_input)
        money = (input_tokens * self.input + output_tokens * self.output - saved) / 1e6
        return Cost(1, input_tokens, output_tokens, money)


def price_of(name: str, prices: PriceTable, *, is_local: bool) -> TokenPrice:
    """A model's own price, from [variants."NAME"] or [models."NAME"] of the table, else that of all models; nothing for
    a model of this machine, and for one whose entry says that it is paid by machine time."""
    said = [table[name].paid_by for table in (prices.variants, prices.models) if name in table]
    if is_local or next(filter(None, said), None) == "machine time":
        return TokenPrice()
    paid = payment_of(prices, name, name)
    return TokenPrice(paid.input or 0.0, paid.output or 0.0, paid.cached_input)


@dataclass
class Budget:
    """The limits of a run, and what its calls have cost so far, by role."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    currency: str = ""
    spent: dict[str, Cost] = field(default_factory=dict)
    ended_by: str = ""
    """The limit that the next call would have crossed; "" while there is room."""

    @property
    def total(self) -> Cost:
        return sum(self.spent.values(), Cost())

    @property
    def counts_tokens(self) -> bool:
        """Whether tokens, or money for them, are limited."""
        return self.tokens is not None or self.money is not None

    def charge(self, role: str, cost: Cost) -> None:
        self.spent[role] = self.spent.get(role, Cost()) + cost

    def room_for(self, estimates: Sequence[Cost], held: Cost | None = None) -> int:
        """How many of the next calls surely fit beside what is `held` for others, from the first on. Notes the limit
        where not one does."""
        total = self.total + (held or Cost())
        for count, estimate in enumerate(estimates):
            total += estimate
            limit = self._crossed(total)
            if limit:
                self.ended_by = limit if count == 0 else self.ended_by
                return count
        return len(estimates)

    def _crossed(self, total: Cost) -> str:
        if self.calls is not None and total.calls > self.calls:
            return f"{self.calls:,} calls"
        if self.tokens is not None and total.tokens > self.tokens:
            return f"{self.tokens:,} tokens"
        if self.money is not None and total.money > self.money + 1e-9:
            return f"{self.money:g} {self.currency}"
        return ""
