"""Results of leaving a model, with given scores of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domainkit.results.leaving import LeavingFacts
from domainkit.results.schema import AnswerRow, Difference, Estimate, Item, Results, TaskFacts, VariantResult, Verdict

METRIC = "label_accuracy"
FACTS = LeavingFacts(
    incumbent="incumbent",
    model="openai:ft:gpt-4o-mini:desk",
    asked_as="rows",
    candidates=("tuned",),
    versions=("gpt-4o-mini-2024-07-18 fp_1",),
    asked_from="2026-03-01",
    asked_to="2026-03-02",
)


def left(columns: dict[str, Sequence[float | None]], facts: LeavingFacts = FACTS, **more: Any) -> Results:
    """A finished run of `leave`; scores by variant, None where the question failed."""
    n = len(columns["incumbent"])
    items = tuple(
        Item(
            id=f"q{i}",
            input=f"question {i}",
            target="a",
            references=("a",),
            answers={name: _answer(scores[i]) for name, scores in columns.items()},
        )
        for i in range(n)
    )
    fields: dict[str, Any] = {
        "task": TaskFacts(name="desk", kind="label", n=n, labels=2, primary_metric=METRIC, fingerprint="f" * 64),
        "baseline": "incumbent",
        "variants": tuple(_variant(name, scores) for name, scores in columns.items()),
        "verdict": Verdict(answer="fine-tune", choice="tuned", headline="."),
        "items": items,
        "leaving": facts,
        "model": {"base": "builtin:tiny", "base_fingerprint": "b" * 64, "adapter_sha256": "a" * 64},
        "created": "2026-03-02T10:00:00+00:00",
    }
    return Results(**{**fields, **more})


def _answer(score: float | None) -> AnswerRow:
    if score is None:
        return AnswerRow(text="", error="NotFoundError: the model has been closed")
    return AnswerRow(text="a" if score == 1 else "b", scores={METRIC: score}, seconds=0.1)


def _variant(name: str, scores: Sequence[float | None]) -> VariantResult:
    known = [s or 0.0 for s in scores]
    answered = any(s is not None for s in scores)
    mean = Estimate(value=sum(known) / len(known) if answered else None, n=len(known))
    even = Difference(
        value=0, low=0, high=0, n=1, wins=0, ties=1, losses=0, p=1, p_adjusted=1, state="CANNOT TELL YET", margin=0.02
    )
    return VariantResult(
        name=name,
        family="tune",
        description="",
        metrics={METRIC: mean},
        difference=None if name == "incumbent" else even,
        failures=sum(s is None for s in scores),
    )


ONES, HALF = [1.0, 1.0, 1.0, 0.0] * 300, [1.0, 0.0, 1.0, 0.0] * 300
