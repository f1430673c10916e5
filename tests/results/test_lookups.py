"""What readers look up in a results file."""

from __future__ import annotations

from domainkit.results.answers import AnswerRow, Estimate, Item, VariantResult
from domainkit.results.lookups import (
    confidence_level,
    cost_per_thousand,
    find_variant,
    flips,
    group_names,
    hit_names,
    metric_names,
    score_of,
)
from domainkit.results.schema import Results, TaskFacts, Verdict


def results(before: float | None, after: float | None) -> Results:
    def row(score: float | None) -> AnswerRow:
        return AnswerRow(text="x", scores={"accuracy": score}, error=None if score is not None else "failed")

    item = Item(id="q", input="?", target="x", answers={"base": row(before), "tuned": row(after)})
    return Results(
        task=TaskFacts(name="t", kind="label", n=1, labels=4, primary_metric="accuracy", fingerprint=""),
        baseline="base",
        variants=tuple(
            VariantResult(
                name=name,
                family="prompt",
                description="",
                metrics={"f1": Estimate(value=0.5, level=0.9), "accuracy": Estimate(value=0.5)},
                groups={name: Estimate(value=0.5)},
                retrieval={"hit@3": Estimate(value=0.5)},
            )
            for name in ("base", "tuned")
        ),
        verdict=Verdict(answer="fine-tune", choice="tuned", headline=""),
        items=(item,),
    )


def test_names_are_listed_once_and_the_primary_metric_first() -> None:
    r = results(0.0, 1.0)
    assert metric_names(r) == ["accuracy", "f1"]
    assert group_names(r) == ["base", "tuned"]
    assert hit_names(r) == ["hit@3"]
    assert confidence_level(r) == 0.9
    assert r.task.chance == 0.25


def test_what_is_not_there_is_none() -> None:
    r = results(0.0, 1.0)
    assert find_variant(r, "rag") is None
    assert score_of(r.items[0], "rag", "accuracy") is None
    assert cost_per_thousand(r, "tuned") is None
    assert r.machine is None


def test_a_failed_answer_scores_zero_and_flips_compare_scores() -> None:
    failed = results(None, 1.0)
    assert score_of(failed.items[0], "base", "accuracy") == 0.0
    assert [i.id for i in flips(failed, gains=True)] == ["q"]
    assert list(flips(failed, gains=False)) == []
    assert list(flips(results(1.0, 1.0), gains=True)) == []
