"""What each variant costs: C(V) = F + V·c for V questions.

c is made from the tokens and the compute measured for every question, F from the training receipt and the labelled
examples. Everything comes from the results alone, so other prices never need a model. Intervals are about the
questions asked: other questions would be longer or shorter. They are not about prices, or about a machine with another
load than this one had.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from domainkit.evaluation.task import clusters_of
from domainkit.results.lookups import score_of
from domainkit.results.schema import (
    AnswerRow,
    BreakEven,
    Cost,
    Estimate,
    Hardware,
    JudgeCost,
    JudgeFacts,
    Portfolio,
    Prices,
    Results,
    TrainingReceipt,
    VariantCost,
    VariantResult,
)
from domainkit.statistics.intervals import GRADED, Array, estimate_corpus, graded_interval, spread
from domainkit.verdict.costs.break_even import LEVEL, break_even, main_rival, shown_worse
from domainkit.verdict.costs.payment import MILLION, Payment, payment_of
from domainkit.verdict.costs.prices import PriceTable, read_prices
from domainkit.verdict.evidence import TRAINED

log = logging.getLogger("domainkit")
LEARNT = (*TRAINED, "encoder")
"""Families with a training that is paid for."""
HOUR = 3600.0
NO_PRICE_OF_JUDGE = "the price of its tokens is not known, and it is not paid by machine time here"
NO_SECONDS = "no compute time was measured"
NO_TOKENS = "no tokens were counted"
NO_RIVAL = "no other variant has a known cost per question"

PerQuestion = Sequence[float | None]
"""A figure of each item of the results, in their order; None where it is not known, or the item was not asked."""


@dataclass(frozen=True, slots=True)
class _Priced:
    """A comparison at the prices of a table; `payments`, `costs` and `scores` by variant."""

    results: Results
    table: PriceTable
    prices: Prices
    payments: Mapping[str, Payment]
    costs: Mapping[str, PerQuestion]
    scores: Mapping[str, PerQuestion]
    clusters: Sequence[Hashable] | None


def cost_of(results: Results, table: PriceTable) -> Cost:
    """The cost of every variant of a finished comparison, and the break-even against its rivals."""
    _name_unused(results, table)
    prices = table.for_machines(results.machine, _training_machine(results.training, results))
    primary = results.task.primary_metric
    hosted = {m.name for m in results.models if not m.local}
    payments = {
        v.name: payment_of(table, v.name, v.runs_on or v.paid_as, hosted=v.runs_on in hosted or bool(v.paid_as))
        for v in results.variants
    }
    priced = _Priced(
        results=results,
        table=table,
        prices=prices,
        payments=payments,
        costs={v.name: _per_question(results, v.name, payments[v.name], prices) for v in results.variants},
        scores={v.name: [score_of(item, v.name, primary) for item in results.items] for v in results.variants},
        clusters=clusters_of(results.items),
    )
    variants = tuple(_variant_cost(priced, v) for v in results.variants)
    points, reason = _break_evens(priced, {c.name: c for c in variants})
    judges = tuple(judge_cost(judge, table, prices) for judge in results.judges)
    return Cost(prices=prices, variants=variants, break_even=points, reason=reason, judges=judges)


def reprice(results: Results | Portfolio, path: str | Path) -> Results | Portfolio:
    """The same results with the cost counted at the prices of `path`."""
    if isinstance(results, Portfolio):
        comparisons = tuple(reprice(r, path) for r in results.comparisons)
        return results.model_copy(update={"comparisons": comparisons})
    return results.model_copy(update={"cost": cost_of(results, read_prices(path))})


def seconds_cost(seconds: float | None, hour: float) -> float | None:
    """Machine time at `hour` a machine-hour; None where no time is known."""
    return None if seconds is None or not isfinite(seconds) else seconds * hour / HOUR


def tokens_cost(
    prompt: float | None, completion: float | None, input_price: float | None, output_price: float | None
) -> float | None:
    """Tokens at the prices of a million; None where a count or a price is not known."""
    if prompt is None or completion is None or input_price is None or output_price is None:
        return None
    return (prompt * input_price + completion * output_price) / MILLION


def judge_cost(judge: JudgeFacts, table: PriceTable, prices: Prices) -> JudgeCost:
    """A judge's replies at the prices of its own model: machine time here, tokens elsewhere, where their price is
    known. The defaults are of no model in particular, so they are not its price."""
    if judge.local:
        return JudgeCost(metric=judge.metric, money=seconds_cost(judge.seconds, prices.machine_hour))
    payment = payment_of(table, judge.model, judge.model, hosted=True)
    if not payment.is_known:
        return JudgeCost(metric=judge.metric, reason=payment.reason or NO_PRICE_OF_JUDGE)
    money = payment.of(judge.prompt_tokens, judge.completion_tokens)
    return JudgeCost(metric=judge.metric, money=money, reason="" if money is not None else "it reports no tokens")


def mean_cost(costs: PerQuestion, *, scale: float = 1.0, missing: str = NO_SECONDS) -> Estimate:
    """The mean of `scale`·cost with its 95 % interval; unknown ones are left out, and `reason` says how many."""
    x = scale * np.array([c for c in costs if c is not None], float)
    unknown = len(costs) - len(x)
    reason = f"{unknown} of {len(costs)} questions: {missing}" if unknown else ""
    if not len(x):
        return Estimate(value=None, reason=missing if costs else "there are no questions")
    mean = float(x.mean())
    if len(x) < 2 or spread(x) <= 1e-12 * abs(mean):
        return Estimate(value=mean, low=mean, high=mean, n=len(x), method="identical costs", reason=reason)
    low, high = graded_interval(x / mean, LEVEL)
    return Estimate(value=mean, low=max(0.0, low * mean), high=high * mean, n=len(x), method=GRADED, reason=reason)


def cost_per_score(costs: PerQuestion, scores: PerQuestion, clusters: Sequence[Hashable] | None = None) -> Estimate:
    """Σ cost / Σ score: what one right answer costs (graded scores: one whole unit), with its bootstrap interval.

    `high` is None, with the reason, where the questions hardly show that there are right answers at all.
    """
    items = [i for i, (c, s) in enumerate(zip(costs, scores, strict=True)) if c is not None and s is not None]
    pairs = [[float(costs[i] or 0.0), float(scores[i] or 0.0)] for i in items]
    total, right = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
    if not pairs:
        return Estimate(value=None, reason="no question has both a cost and a score")
    if right <= 0:
        return Estimate(value=None, n=len(pairs), reason="no answer was right")
    value = total / right
    if total == 0:
        return Estimate(value=0.0, low=0.0, high=0.0, n=len(pairs), method="identical costs")
    ceiling = 2.0 * len(pairs) / right  # twice what one right answer among all would make it, relative to `value`
    relative = [[c / total * len(pairs), s / right * len(pairs)] for c, s in pairs]

    def ratio(sums: Array) -> Array:
        spent, earned = sums[..., 0], sums[..., 1]
        return np.where(earned > 0, spent / np.maximum(earned, 1e-12), ceiling * len(pairs)).clip(
            max=ceiling * len(pairs)
        )

    e = estimate_corpus(relative, ratio, clusters=[clusters[i] for i in items] if clusters else None)
    if e.low is None or e.high is None:
        return Estimate(value=value, n=len(pairs), reason=e.reason)
    low = max(0.0, e.low * value)
    if e.high >= ceiling * len(pairs):
        reason = "too few right answers for an upper end"
        return Estimate(value=value, low=low, n=len(pairs), method=e.method, reason=reason)
    return Estimate(value=value, low=low, high=e.high * value, n=len(pairs), method=e.method)


def _name_unused(results: Results, table: PriceTable) -> None:
    """Prices of what is not there would look as if they had been counted."""
    judges = {j.model for j in results.judges}
    known = {
        "variant": (table.variants, {v.name for v in results.variants} | judges),
        "model": (table.models, {v.runs_on or v.paid_as for v in results.variants} | judges),
    }
    for noun, (prices, names) in known.items():
        for name in prices.keys() - names:
            what = "%s: prices of '%s' are not used: no %s of this comparison has that name"
            log.warning(what, table.source, name, noun)


def _per_question(results: Results, name: str, payment: Payment, prices: Prices) -> list[float | None]:
    """What each question cost with the variant, as it is paid."""
    return [_answer_cost(i.answers[name], payment, prices) if name in i.answers else None for i in results.items]


def _answer_cost(row: AnswerRow, payment: Payment, prices: Prices) -> float | None:
    return _by_tokens(row, payment) if payment.paid_by == "tokens" else seconds_cost(row.seconds, prices.machine_hour)


def _by_tokens(row: AnswerRow, payment: Payment) -> float | None:
    return payment.of(row.prompt_tokens, row.completion_tokens, row.cached_tokens)


def _variant_cost(priced: _Priced, v: VariantResult) -> VariantCost:
    costs, payment = priced.costs[v.name], priced.payments[v.name]
    answers = [(i, row) for i, item in enumerate(priced.results.items) if (row := item.answers.get(v.name)) is not None]
    rented = [c for _, row in answers if (c := _by_tokens(row, payment)) is not None]
    missing = payment.reason or (NO_TOKENS if payment.paid_by == "tokens" else NO_SECONDS)
    training, reason = _training(priced.results, v, priced.table)
    return VariantCost(
        name=v.name,
        paid_by=payment.paid_by,
        per_thousand=mean_cost([costs[i] for i, _ in answers], scale=1000, missing=missing),
        per_correct=cost_per_score(costs, priced.scores[v.name], priced.clusters),
        tokens_per_thousand=1000 * sum(rented) / len(rented) if rented else None,
        training=training,
        labels=priced.prices.label * labelled(priced.results, v),
        reason=reason,
    )


def _training(results: Results, v: VariantResult, table: PriceTable) -> tuple[float | None, str]:
    """(cost of the training, or None with the reason). The seconds that fit a classical model are not counted."""
    if v.family not in LEARNT:
        return 0.0, ""
    receipt = _receipt(results, v)
    if receipt is None:
        return None, "the adapter has no training receipt"
    return receipt.seconds * table.hour(_training_machine(receipt, results)) / HOUR, ""


def _training_machine(receipt: TrainingReceipt | None, results: Results) -> Hardware | None:
    """Where the training took place; where the receipt does not say, on the machine that answered."""
    return (receipt.hardware if receipt is not None else None) or results.machine


def _receipt(results: Results, v: VariantResult) -> TrainingReceipt | None:
    """What training the variant took; the results' own is that of the base's adapter."""
    return v.training or (results.training if v.family in TRAINED and not v.runs_on else None)


def labelled(results: Results, v: VariantResult) -> int:
    """Labelled examples the variant needs: all that it learns from or chooses from, or the few it shows. Those that a
    teacher answered took no labelling."""
    taught = sum(results.training.teachers.values()) if results.training is not None else 0
    rows = max(0, results.task.train_rows - taught)
    shots = {"nearest": rows, "fixed": v.shots}.get(v.chosen_shots, 0)
    receipt = _receipt(results, v)
    learnt = 0
    if v.family in LEARNT and receipt is not None:
        learnt = receipt.examples - sum(receipt.teachers.values())
    return max(shots, learnt, rows if v.family == "classical" else 0)


def _break_evens(priced: _Priced, variants: Mapping[str, VariantCost]) -> tuple[tuple[BreakEven, ...], str]:
    """(the break-evens, the main rival's first; or none and the reason)."""
    results, costs, scores = priced.results, priced.costs, priced.scores
    choice = results.verdict.choice
    adapters = [v.name for v in results.variants if v.family in TRAINED]
    # An encoder is a rival of adapters, and the one that is to be earned back where it is the choice, or alone.
    encoders = [v.name for v in results.variants if v.family == "encoder" and (v.name == choice or not adapters)]
    trained = encoders or adapters
    if not trained:
        return (), "no trained variant took part"
    means = {name: _mean(s) for name, s in scores.items()}
    subject = choice if choice in trained else max(trained, key=means.__getitem__)
    per_thousand = {
        v.name: value
        for v in results.variants
        if v.family not in (*TRAINED, "oracle") and v.name != subject
        if (value := variants[v.name].per_thousand.value) is not None
    }
    if not per_thousand:
        return (), NO_RIVAL
    worse = shown_worse(subject, list(per_thousand), scores, priced.clusters)
    main = main_rival(list(per_thousand), worse, per_thousand, means)
    points = []
    for rival in sorted(per_thousand, key=lambda name: name != main):
        both = zip(costs[rival], costs[subject], strict=True)
        saved = [theirs - ours for theirs, ours in both if theirs is not None and ours is not None]
        point = break_even(variants[subject], variants[rival], saved)
        points.append(point.model_copy(update={"rival_worse": rival in worse}))
    return tuple(points), ""


def _mean(scores: PerQuestion) -> float:
    values = [s for s in scores if s is not None]
    return float(np.mean(values)) if values else 0.0
