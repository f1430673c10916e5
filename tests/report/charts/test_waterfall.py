"""Each step keeps what passed all steps before it."""

from __future__ import annotations

from collections.abc import Callable

from domainkit.report.charts.waterfall import waterfalls
from domainkit.results.schema import AnswerRow, Item, Passage, Results


def answer(text: str, score: float, *passages: str) -> AnswerRow:
    return AnswerRow(text=text, scores={"token_f1": score}, passages=passages)


def test_the_waterfall_keeps_what_came_through_every_step(build_results: Callable[..., Results]) -> None:
    results = build_results(4, kind="answer")
    rows = [
        answer("90 days", 1.0, "pause#0", "other#1"),  # found, held, used, right
        answer("31 days", 0.5 - 0.1, "pause#0"),  # found and held, but not what it said
        answer("four weeks", 0.0, "pause#1"),  # found, but in another part of the document
        answer("90 days", 1.0, "other#1"),  # not found, right all the same
    ]
    oracle = [answer("90 days", 1.0, "pause#0")] * 4
    items = tuple(
        Item(
            id=f"q{i}",
            input="How long?",
            target="90 days",
            references=("90 days",),
            doc_ids=("pause",),
            answers={"rag": row, "oracle-rag": best},
        )
        for i, (row, best) in enumerate(zip(rows, oracle, strict=True))
    )
    rag = next(v for v in results.variants if v.name == "rag")
    passages = {
        "pause#0": Passage(text="A plan pauses 90 days."),
        "pause#1": Passage(text="Ask."),
        "other#1": Passage(text="Bees."),
    }
    results = results.model_copy(
        update={
            "items": items,
            "passages": passages,
            "variants": (rag, rag.model_copy(update={"name": "oracle-rag", "family": "oracle"})),
        }
    )
    (fall,) = waterfalls(results)
    assert [(s.name, s.share) for s in fall.steps] == [
        ("document found", 0.75),
        ("answer in the passages", 0.5),
        ("answer taken from them", 0.25),
        ("right", 0.25),
    ]
    assert (fall.variant, fall.asked, fall.otherwise, fall.oracle) == ("rag", 4, 0.25, ("oracle-rag", 1.0))
