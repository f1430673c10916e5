"""What each variant costs, and from how many questions on a trained one is the cheaper: C(V) = F + V·c.

c is made from the tokens and the compute measured for every question, F from the training receipt and the labelled examples.
Everything comes from the results alone, so that other prices never need a model. Intervals speak of the questions asked: other
questions would be longer or shorter. They do not speak of prices, or of a machine that is busier or better filled than this one was.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path

import numpy as np

from domainkit.evaluation.task import clusters_of
from domainkit.results.schema import (
    AnswerRow,
    BreakEven,
    Cost,
    Estimate,
    Portfolio,
    Prices,
    Results,
    TrainingReceipt,
    VariantCost,
    VariantResult,
)
from domainkit.statistics.intervals import estimate_corpus, graded_interval, spread
from domainkit.statistics.paired import adjust, compare_paired
from domainkit.verdict.evidence import TRAINED
from domainkit.verdict.prices import PriceTable, VariantPrices, read_prices

HOUR = 3600.0
MILLION = 1e6
LEVEL = 0.95
NO_SECONDS = "no compute time was measured"
NO_TOKENS = "no tokens were counted"
FREE_OF_RIVALS = "no other variant has a known cost per question"


def cost_of(results: Results, table: PriceTable) -> Cost:
    """The cost of every variant of a finished comparison, and the break-even against its rivals."""
    prices = table.for_hardware(results.environment.get("hardware", ""), _hardware_of(results.training, results))
    costs = {v.name: _per_question(results, v.name, table) for v in results.variants}
    scores = {v.name: _scores(results, v.name) for v in results.variants}
    clusters = clusters_of(results.items)
    priced = tuple(
        _variant_cost(results, v, table, prices, costs[v.name], scores[v.name], clusters) for v in results.variants
    )
    points, reason = _break_evens(results, {c.name: c for c in priced}, costs, scores, clusters)
    return Cost(prices=prices, variants=priced, break_even=points, reason=reason)


def reprice(results: Results | Portfolio, path: str | Path) -> Results | Portfolio:
    """The same results with the cost counted at the prices of `path`."""
    if isinstance(results, Portfolio):
        again = [reprice(r, path) for r in results.comparisons]
        return results.model_copy(update={"comparisons": tuple(again)})
    return results.model_copy(update={"cost": cost_of(results, read_prices(path))})


def seconds_cost(seconds: float | None, hour: float) -> float | None:
    """Machine time at `hour` a machine-hour; None where no time is known."""
    return None if seconds is None or not isfinite(seconds) else seconds * hour / HOUR


def tokens_cost(
    prompt: float | None, completion: float | None, given: float | None, written: float | None
) -> float | None:
    """Tokens at the prices of a million; None where a count or a price is not known."""
    if prompt is None or completion is None or given is None or written is None:
        return None
    return (prompt * given + completion * written) / MILLION


def mean_cost(costs: Sequence[float | None], *, scale: float = 1.0, missing: str = NO_SECONDS) -> Estimate:
    """The mean of `scale`·cost with its 95 % interval; unknown ones are left out, and `reason` says how many."""
    x = scale * np.array([c for c in costs if c is not None], float)
    lacking = len(costs) - len(x)
    reason = f"{lacking} of {len(costs)} questions: {missing}" if lacking else ""
    if not len(x):
        return Estimate(value=None, reason=missing if costs else "there are no questions")
    mean = float(x.mean())
    if len(x) < 2 or spread(x) <= 1e-12 * abs(mean):
        return Estimate(value=mean, low=mean, high=mean, n=len(x), method="identical costs", reason=reason)
    low, high = graded_interval(x / mean, LEVEL)
    method = "Student's t and BCa bootstrap, outer ends"
    return Estimate(value=mean, low=max(0.0, low * mean), high=high * mean, n=len(x), method=method, reason=reason)


def cost_per_score(
    costs: Sequence[float | None], scores: Sequence[float | None], clusters: Sequence[Hashable] | None = None
) -> Estimate:
    """Σ cost / Σ score: what one right answer costs (graded scores: one whole unit), with its bootstrap interval.

    `high` is None, with the reason, where the questions hardly show that there are right answers at all.
    """
    kept = [i for i, (c, s) in enumerate(zip(costs, scores, strict=True)) if c is not None and s is not None]
    pairs = [[float(costs[i] or 0.0), float(scores[i] or 0.0)] for i in kept]
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

    def ratio(sums: np.ndarray) -> np.ndarray:
        spent, earned = sums[..., 0], sums[..., 1]
        return np.where(earned > 0, spent / np.maximum(earned, 1e-12), ceiling * len(pairs)).clip(
            max=ceiling * len(pairs)
        )

    found = estimate_corpus(relative, ratio, clusters=[clusters[i] for i in kept] if clusters else None)
    if found.low is None or found.high is None:
        return Estimate(value=value, n=len(pairs), reason=found.reason)
    low = max(0.0, found.low * value)
    if found.high >= ceiling * len(pairs):
        return Estimate(
            value=value, low=low, n=len(pairs), method=found.method, reason="too few right answers for an upper end"
        )
    return Estimate(value=value, low=low, high=found.high * value, n=len(pairs), method=found.method)


def break_even(variant: VariantCost, rival: VariantCost, saved: Sequence[float]) -> BreakEven:
    """V* = (F_variant - F_rival) / (c_rival - c_variant); `saved` is c_rival - c_variant of each question both answered.

    V* falls as the saving grows, so the saving's interval, turned round, is the interval of V*.
    """
    of = partial(BreakEven, variant=variant.name, rival=rival.name)
    if variant.fixed is None or rival.fixed is None:
        return of(state="unknown", reason=variant.reason or rival.reason)
    if not len(saved):
        return of(state="unknown", reason="no question has a cost for both")
    ahead = variant.fixed - rival.fixed
    x = np.asarray(saved, float)
    mean = float(x.mean())
    low, high = _interval(x)
    if mean <= 0 or not isfinite(ahead / mean):
        return of(state="never" if ahead >= 0 else "unknown", reason=_why_never(variant.name, ahead, mean, high))
    if ahead <= 0:
        why = "neither costs anything before the first question" if ahead == 0 else ""
        return of(state="at once", questions=0.0, low=0.0, high=0.0 if low > 0 else None, reason=why)
    if low > 0 and isfinite(ahead / low):
        return of(state="from", questions=ahead / mean, low=ahead / high, high=ahead / low)
    why = "a question may also cost as much or more: these questions do not settle it"
    return of(state="from", questions=ahead / mean, low=ahead / high, reason=why)


def _why_never(variant: str, ahead: float, mean: float, high: float) -> str:
    if ahead < 0:
        return f"{variant} costs less at first and more for each question"
    on_top = "its training comes on top" if ahead > 0 else "there is no training to earn back"
    unsettled = "; another set of questions may differ" if high > 0 else ""
    return f"a question costs {'as much' if mean == 0 else 'more'} with {variant}, and {on_top}{unsettled}"


def _interval(x: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean saving; in units of its own size, since costs are tiny numbers."""
    mean, unit = float(x.mean()), float(np.abs(x).max())
    if unit == 0 or len(x) < 2 or spread(x / unit) == 0:
        return mean, mean
    low, high = graded_interval(x / unit, LEVEL)
    return min(low * unit, mean), max(high * unit, mean)


def _per_question(results: Results, name: str, table: PriceTable) -> list[float | None]:
    """What each question cost with the variant, as it is paid."""
    prices = table.for_hardware(results.environment.get("hardware", ""), "")
    own = table.variants.get(name, VariantPrices(input=None, output=None))
    return [_answer_cost(i.answers[name], own, prices) if name in i.answers else None for i in results.items]


def _answer_cost(row: AnswerRow, own: VariantPrices, prices: Prices) -> float | None:
    if own.paid_by == "tokens":
        return _by_tokens(row, own, prices)
    return seconds_cost(row.seconds, prices.machine_hour)


def _by_tokens(row: AnswerRow, own: VariantPrices, prices: Prices) -> float | None:
    given = prices.input_per_million if own.input is None else own.input
    written = prices.output_per_million if own.output is None else own.output
    return tokens_cost(row.prompt_tokens, row.completion_tokens, given, written)


def _scores(results: Results, name: str) -> list[float | None]:
    """The primary score of each item; a failed answer scores 0, an unasked one is left out."""
    metric, found = results.task.primary_metric, []
    for item in results.items:
        row = item.answers.get(name)
        score = None if row is None else row.scores.get(metric)
        found.append(0.0 if score is None and row is not None and row.error is not None else score)
    return found


def _variant_cost(
    results: Results,
    v: VariantResult,
    table: PriceTable,
    prices: Prices,
    costs: Sequence[float | None],
    scores: Sequence[float | None],
    clusters: Sequence[Hashable] | None,
) -> VariantCost:
    own = table.variants.get(v.name, VariantPrices(input=None, output=None))
    asked = [i for i, item in enumerate(results.items) if v.name in item.answers]
    missing = NO_TOKENS if own.paid_by == "tokens" else NO_SECONDS
    rented = [c for i in asked if (c := _by_tokens(results.items[i].answers[v.name], own, prices)) is not None]
    training, reason = _training(results, v, table)
    return VariantCost(
        name=v.name,
        paid_by=own.paid_by,
        per_thousand=mean_cost([costs[i] for i in asked], scale=1000, missing=missing),
        per_correct=cost_per_score(costs, scores, clusters),
        tokens_per_thousand=1000 * sum(rented) / len(rented) if rented else None,
        training=training,
        labels=prices.label * labelled(results, v),
        reason=reason,
    )


def _training(results: Results, v: VariantResult, table: PriceTable) -> tuple[float | None, str]:
    """(cost of the training, or None with the reason). A classical model is fitted in seconds, which are not counted."""
    if v.family not in TRAINED:
        return 0.0, ""
    receipt = v.training or results.training
    if receipt is None:
        return None, "the adapter has no training receipt"
    hour = table.for_hardware("", _hardware_of(receipt, results)).training_hour
    return receipt.seconds * hour / HOUR, ""


def _hardware_of(receipt: TrainingReceipt | None, results: Results) -> object:
    """Where the training took place: on the machine that answered, where the receipt does not say."""
    return (receipt.hardware if receipt is not None else "") or results.environment.get("hardware", "")


def labelled(results: Results, v: VariantResult) -> int:
    """Labelled examples the variant needs: all that it learnt from or chooses from, or the few it shows."""
    shown = {"nearest": results.task.train_rows, "fixed": int(v.settings.get("shots") or 0)}.get(
        str(v.settings.get("chosen")), 0
    )
    receipt = v.training or results.training
    learnt = receipt.examples if v.family in TRAINED and receipt is not None else 0
    return max(shown, learnt, results.task.train_rows if v.family == "classical" else 0)


def _break_evens(
    results: Results,
    priced: dict[str, VariantCost],
    costs: dict[str, list[float | None]],
    scores: dict[str, list[float | None]],
    clusters: Sequence[Hashable] | None,
) -> tuple[tuple[BreakEven, ...], str]:
    trained = [v for v in results.variants if v.family in TRAINED]
    if not trained:
        return (), "no trained variant took part"
    chosen = next((v for v in trained if v.name == results.verdict.choice), None)
    means = {
        name: float(np.mean(known)) if (known := [x for x in s if x is not None]) else 0.0 for name, s in scores.items()
    }
    subject = (chosen or max(trained, key=lambda v: means[v.name])).name
    rivals = [
        v.name
        for v in results.variants
        if v.family not in (*TRAINED, "oracle") and priced[v.name].per_thousand.value is not None
    ]
    if not rivals:
        return (), FREE_OF_RIVALS
    worse = shown_worse(subject, rivals, scores, clusters)
    main = main_rival(rivals, worse, {name: priced[name].per_thousand.value or 0.0 for name in rivals}, means)
    found = []
    for rival in sorted(rivals, key=lambda name: name != main):
        both = zip(costs[rival], costs[subject], strict=True)
        saved = [theirs - ours for theirs, ours in both if theirs is not None and ours is not None]
        point = break_even(priced[subject], priced[rival], saved)
        found.append(point.model_copy(update={"rival_worse": rival in worse}))
    return tuple(found), ""


def shown_worse(
    subject: str,
    rivals: Sequence[str],
    scores: Mapping[str, Sequence[float | None]],
    clusters: Sequence[Hashable] | None = None,
) -> set[str]:
    """The rivals shown to score below `subject`, on the same questions and Holm-adjusted."""
    pairs = {name: compare_paired(scores[name], scores[subject], clusters=clusters) for name in rivals}
    return {name for name, d in adjust(pairs).items() if d is not None and d.state == "WORSE"}


def main_rival(
    rivals: Sequence[str], worse: Collection[str], costs: Mapping[str, float], means: Mapping[str, float]
) -> str:
    """The cheapest rival per question that is not shown to be worse, else the best of them."""
    equals = [name for name in rivals if name not in worse]
    return min(equals, key=lambda name: (costs[name], name)) if equals else max(rivals, key=means.__getitem__)


__all__ = ["break_even", "cost_of", "cost_per_score", "labelled", "main_rival", "mean_cost", "reprice"]
