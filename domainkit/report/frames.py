"""The tables of results as frames of pandas: fractions in [0, 1], seconds, None where nothing is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from domainkit.errors import ConfigError, MachineError
from domainkit.results.answers import Estimate, JsonObject
from domainkit.results.lookups import hit_names, metric_names, shown_question

if TYPE_CHECKING:
    from pandas import DataFrame

    from domainkit.results.schema import Results


def frame(results: Results, name: str) -> DataFrame:
    """The table `name` of FRAMES. Raises ConfigError for another name, MachineError without pandas."""
    if name not in FRAMES:
        raise ConfigError(f"there is no frame '{name}'", next_step=f"one of: {', '.join(FRAMES)}")
    try:
        from pandas import DataFrame
    except ImportError as e:
        raise MachineError("pandas is not installed", next_step="pip install pandas") from e
    columns, rows = FRAMES[name]
    return DataFrame(list(rows(results)), columns=columns(results))


def _spread(prefix: str, e: Estimate | None) -> JsonObject:
    e = e or Estimate(value=None)
    return {prefix: e.value, f"{prefix} low": e.low, f"{prefix} high": e.high}


def _spread_columns(names: list[str]) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", " low", " high")]


def _variant_columns(r: Results) -> list[str]:
    facts = ["recommended", "baseline", "prompt tokens", "completion tokens", "seconds", "latency", "failures"]
    return ["variant", "family", "description", *_spread_columns(metric_names(r)), *facts]


def _variants(r: Results) -> Iterator[JsonObject]:
    for v in r.variants:
        row: JsonObject = {"variant": v.name, "family": v.family, "description": v.description}
        for metric in metric_names(r):
            row |= _spread(metric, v.metrics.get(metric))
        row |= {"recommended": v.name == r.verdict.choice, "baseline": v.name == r.baseline, "failures": v.failures}
        row |= {"prompt tokens": v.usage.prompt_tokens, "completion tokens": v.usage.completion_tokens}
        yield row | {"seconds": v.usage.seconds_per_item, "latency": v.latency.median}


_DIFFERENCE = ("value", "low", "high", "n", "wins", "ties", "losses", "p", "p_adjusted", "state", "margin", "needed")


def _differences(r: Results) -> Iterator[JsonObject]:
    for v in r.variants:
        if v.difference is not None:
            values = {name: getattr(v.difference, name) for name in _DIFFERENCE}
            yield {"variant": v.name, "baseline": r.baseline, **values}


_ANSWER = ("prompt_tokens", "completion_tokens", "seconds", "error")


def _item_columns(r: Results) -> list[str]:
    scored = [m for m in metric_names(r) if any(m in a.scores for i in r.items for a in i.answers.values())]
    return [
        "id",
        "group",
        "question",
        "expected",
        "variant",
        "answer",
        *scored,
        *(a.replace("_", " ") for a in _ANSWER),
    ]


def _items(r: Results) -> Iterator[JsonObject]:
    """A row for each question and variant."""
    for i in r.items:
        for name, answer in i.answers.items():
            facts = {a.replace("_", " "): getattr(answer, a) for a in _ANSWER}
            asked = {"id": i.id, "group": i.group, "question": shown_question(i), "expected": i.target}
            yield {**asked, "variant": name, "answer": answer.text, **answer.scores, **facts}


def _groups(r: Results) -> Iterator[JsonObject]:
    for v in r.variants:
        for group, score in v.groups.items():
            yield {"variant": v.name, "group": group, **_spread("score", score), "n": score.n}


def _retrieval(r: Results) -> Iterator[JsonObject]:
    for v in r.variants:
        if v.retrieval:
            row: JsonObject = {"variant": v.name}
            for hit, share in v.retrieval.items():
                row |= _spread(hit, share)
            yield row


def _cost(r: Results) -> Iterator[JsonObject]:
    for c in r.cost.variants if r.cost else ():
        row = {"variant": c.name, "currency": r.cost.prices.currency if r.cost else "", "paid by": c.paid_by}
        row |= _spread("1,000 questions", c.per_thousand) | _spread("a right answer", c.per_correct)
        yield row | {"training": c.training, "labels": c.labels, "1,000 questions by tokens": c.tokens_per_thousand}


def _curve(r: Results) -> Iterator[JsonObject]:
    for curve in r.curves:
        for forecast, points in ((False, curve.points), (True, curve.forecast)):
            for p in points:
                row = {"variant": curve.variant, "examples": p.n, "forecast": forecast}
                yield row | {"score": p.value, "score low": p.low, "score high": p.high}


def _leaks(r: Results) -> Iterator[JsonObject]:
    for leak in r.leaks:
        yield {"against": leak.against, "level": leak.level, "questions": leak.count, "counted": leak.counted}


def _always(*names: str) -> Callable[[Results], list[str]]:
    return lambda r: list(names)


_SCORE = ("score", "score low", "score high")
FRAMES: dict[str, tuple[Callable[[Results], list[str]], Callable[[Results], Iterator[JsonObject]]]] = {
    "variants": (_variant_columns, _variants),
    "differences": (_always("variant", "baseline", *_DIFFERENCE), _differences),
    "items": (_item_columns, _items),
    "groups": (_always("variant", "group", *_SCORE, "n"), _groups),
    "retrieval": (lambda r: ["variant", *_spread_columns(hit_names(r))], _retrieval),
    "cost": (
        lambda r: [
            *("variant", "currency", "paid by", *_spread_columns(["1,000 questions", "a right answer"])),
            *("training", "labels", "1,000 questions by tokens"),
        ],
        _cost,
    ),
    "learning_curve": (_always("variant", "examples", "forecast", *_SCORE), _curve),
    "leaks": (_always("against", "level", "questions", "counted"), _leaks),
}
"""Name to (columns, rows). A table without rows keeps its columns."""
