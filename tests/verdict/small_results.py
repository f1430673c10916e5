"""The results of one variant on questions with given scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domainkit.results.schema import AnswerRow, Estimate, Item, Results, TaskFacts, VariantResult, Verdict

METRIC = "label_accuracy"


def run_of(
    scores: Sequence[float], *, name: str = "tuned", first: int = 0, per_document: int = 1, **more: Any
) -> Results:
    """A finished comparison; `per_document` questions in a row are about one document."""
    items = tuple(
        Item(
            id=f"q{i}",
            input=f"question {i}",
            target="a",
            references=("a",),
            doc_ids=(f"d{i // per_document}",) if per_document > 1 else (),
            answers={name: AnswerRow(text="a" if score == 1 else "b", scores={METRIC: score})},
        )
        for i, score in enumerate(scores, first)
    )
    mean = Estimate(value=sum(scores) / len(scores), n=len(scores))
    fields: dict[str, Any] = {
        "task": TaskFacts(name="desk", kind="label", n=len(items), primary_metric=METRIC, fingerprint="f"),
        "baseline": name,
        "variants": (VariantResult(name=name, family="tune", description="", metrics={METRIC: mean}),),
        "verdict": Verdict(answer="fine-tune", choice=name, headline="."),
        "items": items,
    }
    return Results(**{**fields, **more})
