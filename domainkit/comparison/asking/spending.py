"""What this run has paid for tokens, and whether the next question fits into the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domainkit.comparison.asking.call_runnable import EndedError
from domainkit.errors import DomainkitError
from domainkit.evaluation.answers_on_disk import Row
from domainkit.verdict.costs.payment import Payment

NO_TOKENS = "it reports no tokens, so the budget cannot be kept: leave the budget out, or this variant"
UNPAID = "BudgetError: the budget"
"""How the error of a question begins that the budget did not pay for."""
_ROUNDING = 1e-9


class BudgetError(DomainkitError):
    """The budget does not pay for all questions. What was answered is on disk."""

    exit_code = 3


@dataclass
class Spending:
    """Money of one run. Only what the run itself asks counts: an answer on disk was paid for earlier."""

    budget: float | None
    """None: no limit."""
    currency: str
    payments: Mapping[str, Payment]
    """How the variants are paid that are paid for tokens at known prices, by their content keys."""
    spent: float = 0.0
    _sums: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By key: answers and what they cost, those on disk too, from which the next one is estimated."""
    left: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """By key: variants that the budget did not pay for, as (name, answered, of)."""

    def has_room(self, key: str, under_way: int) -> bool:
        """Whether one more question fits beside those under way. The first of a variant is asked alone: it shows what
        one costs."""
        if self.budget is None or key not in self.payments:
            return True
        mean = self.mean(key)
        if mean is None:
            return under_way == 0 and self.spent < self.budget
        return self.spent + (under_way + 1) * mean <= self.budget + _ROUNDING

    def charge(self, key: str, row: Row, *, now: bool = True) -> None:
        """Count one answer; with `now` false one of an earlier run, which tells only what the next may cost.

        Raises EndedError under a budget where the provider reports no tokens.
        """
        payment = self.payments.get(key)
        if payment is None:
            return
        money = payment.of(row.prompt_tokens, row.completion_tokens, row.cached_tokens)
        if money is None:
            if self.budget is not None and now:
                raise EndedError(NO_TOKENS)
            return
        count, total = self._sums.get(key, (0, 0.0))
        self._sums[key] = (count + 1, total + money)
        self.spent += money if now else 0.0

    def mean(self, key: str) -> float | None:
        """What an answer under the key has cost so far."""
        count, total = self._sums.get(key, (0, 0.0))
        return total / count if count else None

    @property
    def why_unpaid(self) -> str:
        """The error of a question that was not asked."""
        return f"{UNPAID} of {self.budget:g} {self.currency} ended before this question"

    def check(self) -> None:
        """Raises BudgetError with the variants that have questions left, and what would pay for them."""
        if not self.left or self.budget is None:
            return
        parts = [f"{name} {answered:,} of {of:,}" for name, answered, of in self.left.values()]
        means = {key: self.mean(key) for key in self.left}
        missing = [(of - answered, means[key]) for key, (_, answered, of) in self.left.items()]
        costs = [count * mean for count, mean in missing if mean is not None]
        more = f"about {_money(sum(costs))} {self.currency} would pay for the rest"
        if len(costs) < len(missing):
            more = f"at least {_money(sum(costs))} {self.currency} would pay for the rest" if costs else ""
        what = (
            f"the budget of {self.budget:g} {self.currency} ends the run before all is asked "
            f"({_money(self.spent)} {self.currency} spent; answered: {', '.join(parts)})"
        )
        step = "run the same command again with --budget: it asks only what is missing"
        raise BudgetError(what, where="budget", next_step=f"{step}{f'; {more}' if more else ''}")


def _money(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 1 else f"{amount:.2g}"
