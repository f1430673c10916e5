"""Asks the variants of one run: models of this process in batches, others question by question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path

from domainkit.adapters.folder import Adapter
from domainkit.comparison.asking.call_runnable import answer_all
from domainkit.comparison.asking.one_by_one import OneByOne
from domainkit.comparison.asking.spending import Spending
from domainkit.comparison.planning.payments import payments_of
from domainkit.comparison.planning.plan import ComparisonPlan
from domainkit.comparison.score import Rows
from domainkit.evaluation.answers_on_disk import Progress, Row, RowStore, asked_each
from domainkit.evaluation.task import Sample
from domainkit.evaluation.variant import Answerer, Variant


@dataclass
class Asker:
    """What one run asks, with what it has spent."""

    plan: ComparisonPlan
    store: RowStore
    on_progress: Progress | None
    since: str = ""
    """Answers that models outside this process gave before this time are asked again."""
    _keys: dict[tuple[str, Path | None], str] = field(default_factory=dict)
    _made: dict[str, Callable[[], Answerer]] = field(default_factory=dict)
    _askers: dict[str, OneByOne] = field(default_factory=dict)

    @cached_property
    def spending(self) -> Spending:
        config = self.plan.inputs.config
        payments = {self.key(v): p for v, p in payments_of(self.plan.inputs, self.plan.variants)}
        found = Spending(config.budget, self.plan.inputs.prices.currency, payments)
        for key in payments:
            for row in self.store.finished(key).values():
                found.charge(key, row, now=False)
        return found

    def ask(
        self,
        variant: Variant,
        name: str,
        samples: Sequence[Sample],
        adapter: Adapter | None = None,
        *,
        digests: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> Rows:
        """The variant's answers, with `adapter` in place of its own; None for those that the budget does not pay for.

        Rows and progress call it `name`. `digests` are those of all questions, where `samples` are a part of them.
        """
        key = self.key(variant, adapter)
        rows = answer_all(
            name,
            key,
            self._made.setdefault(key, cache(partial(self.plan.runnable, variant, adapter))),
            samples,
            self.store,
            batch_size=self.plan.inputs.config.batch_size,
            asked=digests or asked_each(samples, gold=variant.oracle),
            on_progress=None if quiet else self.on_progress,
            by=self._one_by_one(variant, name, key),
        )
        if None in rows and getattr(variant.runnable, "counts_when_ended", False):
            return self._with_errors(rows, name, key, samples)
        if None in rows:
            self.spending.left[key] = (name, sum(row is not None for row in rows), len(rows))
        return rows

    def _with_errors(self, rows: Rows, name: str, key: str, samples: Sequence[Sample]) -> Rows:
        """An error for each question that the budget did not pay for; none is kept on disk: the next run asks it."""
        why = self.spending.why_unpaid
        return [
            row or Row(key=key, variant=name, id=sample.id, error=why)
            for row, sample in zip(rows, samples, strict=True)
        ]

    def key(self, variant: Variant, adapter: Adapter | None = None) -> str:
        """As the plan makes it, once: it reads the whole corpus."""
        known = (variant.name, adapter.folder if adapter else None)
        if known not in self._keys:
            self._keys[known] = self.plan.key(variant, adapter)
            if self.since and self.plan.asks_elsewhere(variant):
                self.store.forget(self._keys[known], self.since)
        return self._keys[known]

    def _one_by_one(self, variant: Variant, name: str, key: str) -> OneByOne | None:
        """None for a model of this process, which answers a batch faster. A budget needs the cost of each answer."""
        counted = self.plan.inputs.config.budget is not None and key in self.spending.payments
        if not counted and not self.plan.asks_elsewhere(variant):
            return None
        if key not in self._askers:
            concurrency = self.plan.inputs.config.concurrency
            self._askers[key] = OneByOne(name, key, concurrency, self.spending, bool(self.store.finished(key)))
        return self._askers[key]
